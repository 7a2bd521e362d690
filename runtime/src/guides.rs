//! The code of the guides in `docs/`, as tests. `tests/guides` sees to it that no page with code is missing here.

#[doc = include_str!("../../docs/setup.md")]
struct Setup;

#[doc = include_str!("../../docs/troubleshooting.md")]
struct Troubleshooting;

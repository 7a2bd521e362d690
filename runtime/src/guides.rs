//! The code of the guides in `docs/`, as tests. `tests/guides` sees to it that no page with code is missing here.

#[doc = include_str!("../../docs/setup.md")]
struct Setup;

// Needs what it shows.
#[cfg(all(feature = "grpc", feature = "zipkin"))]
#[doc = include_str!("../../docs/exporters.md")]
struct Exporters;

#[doc = include_str!("../../docs/live.md")]
struct Live;

#[doc = include_str!("../../docs/sampling.md")]
struct Sampling;

#[doc = include_str!("../../docs/sanitising.md")]
struct Sanitising;

#[doc = include_str!("../../docs/propagation.md")]
struct Propagation;

#[cfg(all(feature = "tracing", feature = "log"))]
#[doc = include_str!("../../docs/logs.md")]
struct Logs;

#[cfg(feature = "prometheus")]
#[doc = include_str!("../../docs/metrics.md")]
struct Metrics;

#[doc = include_str!("../../docs/troubleshooting.md")]
struct Troubleshooting;

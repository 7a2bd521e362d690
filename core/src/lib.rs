//! The seam between code with `#[traced]` and what records its spans. Programs use the crate `traced`.
//!
//! Code with `#[traced]` reaches a [`Callsite`], the [`switch`], and, while something is set up, a [`Running`] call made by
//! the [`Makers`]. All else is reached by set-ups alone. It is a crate of its own so that a linker sees that: an object file
//! that anything refers to brings along the tables of all that stands in it and of all that it refers to, and a program that
//! sets nothing up would carry the recorder, the exporters and their dependencies with it.

mod callsite;
mod failed;
mod running;
pub mod switch;

pub use callsite::{Callsite, Origin};
pub use failed::{ErrorType, Failed, Message, Verdict};
pub use running::{Captures, Keep, Left, Made, Makers, Running, Stay, ready, started, under, waiting};

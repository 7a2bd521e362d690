//! The guides in `docs/`: that their links lead somewhere, that what they quote is what the examples are and print, that what
//! the runtime says is what they say it says, and that the configurations among them hold together.
//!
//! Their Rust code is tested as documentation (`src/guides.rs`). Nothing here starts a collector or a container.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

#[path = "../exporters/mod.rs"]
mod exporters;
#[path = "../process/mod.rs"]
mod process;

mod code;
mod collector;
mod compose;
#[cfg(unix)]
mod ending;
#[cfg(all(feature = "otlp", feature = "tls", feature = "zipkin"))]
mod environment;
mod links;
mod masking;
mod named;
mod page;
mod printed;
mod said;
mod yaml;

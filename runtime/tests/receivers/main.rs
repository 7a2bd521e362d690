//! Real receivers, which nobody here wrote, at the other end: what they decode is what was recorded, to the bit.
//!
//! `.ci/receivers cargo test -p traced --features grpc,zipkin,tls --test receivers` installs and starts them. Without it these tests
//! skip, each with a line that says so, and with `CI=true` they fail.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod alerts;
mod child;
mod fields;
mod http;
#[cfg(unix)]
mod load;
mod middle;
mod propagation;
mod receiver;
mod servers;
mod zipkin;

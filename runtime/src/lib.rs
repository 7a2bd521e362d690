//! One attribute, one correct OpenTelemetry span per call.
//!
//! Put [`#[traced]`](macro@traced) on a business function: right parent, right times, right outcome, and nothing captured that was
//! not asked for. The function behaves, borrows, drops, lints and compiles as it did without the attribute.
//!
//! ```
//! use traced::traced;
//!
//! #[traced(attr(order))]
//! fn ship(order: u64, address: &str) -> Result<(), String> {
//!     if address.is_empty() { Err("no address".into()) } else { Ok(()) }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let _tracing = traced::init("shop")?;
//!     ship(7, "1 Main St")?;
//!     Ok(())
//! }
//! ```
//!
//! # In an application
//!
//! [`init`] sets up in one line, [`builder`] says it in code; the guard they return flushes when it is dropped. A program
//! that has a tracer provider of its own calls [`attach_global`] instead. With nothing set up, a traced call costs one
//! relaxed load.
//!
//! # In a library
//!
//! Annotate and set nothing up: that is the application's. The context is OpenTelemetry's own, so spans of any code that
//! speaks OpenTelemetry nest under traced calls, and the other way round.
//!
//! # By hand
//!
//! [`span!`] is a step inside a function, [`event!`] a milestone, [`set!`] an attribute as one goes, [`current`] the span
//! itself. [`inject`] and [`extract`] carry the context between services; [`propagate`] and `spawn` within one.
//!
//! # In logs
//!
//! [`trace_id`] and [`span_id`] are for any logger; [`logs`] has what adds them to the lines of the usual ones.
//!
//! # In tests
//!
//! [`testing::capture`] gives a call's value with its trace, which prints as a tree.
//!
//! # Features
//!
//! `tokio` (default): `spawn`, `spawn_blocking`, `spawn_local`, `JoinSet`. `http` (default): `http::HeaderMap` as a carrier.
//! `metrics`: the module `metrics`, request rate, errors and duration from spans; `prometheus`: its endpoint.
//! `jaeger-json`: the module `jaeger`, a file that Jaeger's UI loads. `otlp-file`: `OtlpFile`, OTLP as JSON lines.
//! `otlp`: OTLP over HTTP, as protobuf or JSON; `grpc`: over gRPC; `zipkin`: Zipkin's JSON; `tls`: `https://` for
//! these.
//! `tracing`: [`logs`]' ids in the lines of `tracing-subscriber`, and events of `tracing` in spans. `log`: ids in records of
//! `log`.
//! `internal-logs`: what the runtime has to say about itself goes through OpenTelemetry's diagnostics
//! instead of stderr, where a subscriber of `tracing` takes it.

mod callsite;
mod carry;
mod console;
mod context;
mod control;
mod diagnostics;
#[cfg(any(feature = "jaeger-json", feature = "otlp-file"))]
mod disk;
mod exception;
mod export;
mod fault;
mod fields;
mod filter;
mod future;
mod hand;
#[cfg(feature = "jaeger-json")]
pub mod jaeger;
#[cfg(any(feature = "transport", feature = "otlp-file"))]
#[cfg_attr(not(feature = "zipkin"), allow(dead_code, reason = "Zipkin needs a little more"))]
mod json;
mod keep;
pub mod logs;
pub mod mask;
pub mod memory;
#[cfg(any(feature = "otlp", feature = "otlp-file"))]
mod message;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "otlp-file")]
mod otlp_file;
mod outcome;
mod own;
mod panic;
mod pipeline;
mod process;
mod propagation;
mod record;
mod route;
pub mod sampling;
mod scrub;
mod setup;
mod span;
mod stage;
pub mod testing;

mod track;
#[cfg(feature = "transport")]
#[cfg_attr(
    not(all(feature = "grpc", feature = "zipkin", feature = "tls")),
    allow(dead_code, unused_imports, reason = "what one exporter needs, another may not")
)]
pub mod transport;
mod value;
#[cfg(feature = "zipkin")]
pub mod zipkin;

/// The OpenTelemetry this crate was built with. Another version beside it would lose spans without an error.
pub use opentelemetry;

#[doc = include_str!("traced.md")]
pub use traced_macros::traced;

#[cfg(feature = "tokio")]
pub use carry::{JoinSet, spawn, spawn_blocking, spawn_local};
pub use carry::{Propagated, Work, propagate, thread};
pub use console::Console;
pub use control::Control;
pub use diagnostics::LogLevel;
pub use filter::ControlFault;
pub use hand::{Current, Entered, Span, current};
pub use logs::{span_id, trace_id};
#[cfg(feature = "otlp-file")]
pub use otlp_file::OtlpFile;
pub use outcome::Failure;
pub use process::{Processor, Starting};
pub use propagation::{
    AsLink, AsParent, Carrier, Environment, Extract, Inject, Parent, Propagator, UnknownPropagator, extract,
    inject, inject_context,
};
pub use scrub::Scrubber;
pub use setup::{
    Builder, Dropped, Early, EnvironmentFault, Explanation, ExportError, SetupError, Stats, Tracing,
    attach_global, builder, init,
};
pub use value::{Attribute, Element};

/// A span by hand: a step inside a function, or around a future.
///
/// `span!("name", attributes)` starts it, under the current one; the attributes are those of
/// [`#[traced]`](macro@traced), evaluated only if the span records. See [`Span`] for what to do with it.
///
/// ```
/// use traced::testing::capture;
///
/// let (found, trace) = capture(|| {
///     let rows = 3;
///     traced::span!("query", rows, db.system.name = "sqlite").run(|| rows > 2)
/// });
/// assert!(found);
/// assert_eq!(trace.to_string(), "\
/// query
///     rows: i64 = 3
///     db.system.name: str = \"sqlite\"
/// ");
/// ```
#[macro_export]
macro_rules! span {
    ($($tokens:tt)*) => { $crate::__private::span!(($crate) $($tokens)*) };
}

/// A milestone: an event on the current span, with attributes.
///
/// Nothing is evaluated where nothing records.
///
/// ```
/// use traced::testing::capture;
///
/// #[traced::traced]
/// fn validate(items: usize) {
///     traced::event!("order.validated", items, express = true);
/// }
///
/// let ((), trace) = capture(|| validate(3));
/// assert_eq!(trace.span("validate").event("order.validated").attribute("items"), 3);
/// ```
#[macro_export]
macro_rules! event {
    ($($tokens:tt)*) => { $crate::__private::event!(($crate) $($tokens)*) };
}

/// Attributes of the current span, as one goes.
///
/// Nothing is evaluated where nothing records.
///
/// ```
/// use traced::testing::capture;
///
/// #[traced::traced]
/// fn price(order: (u64, f64)) {
///     traced::set!(order.id = order.0, total = order.1);
/// }
///
/// let ((), trace) = capture(|| price((7, 9.5)));
/// assert_eq!(trace.span("price").attribute("order.id"), 7);
/// assert_eq!(trace.span("price").attribute("total"), 9.5);
/// ```
#[macro_export]
macro_rules! set {
    ($($tokens:tt)*) => { $crate::__private::set!(($crate) $($tokens)*) };
}

#[cfg(doctest)]
mod guides;

/// The README's code, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// What generated code names. Not for use by hand: it changes with the macro, without notice.
#[doc(hidden)]
pub mod __private {
    pub use core::convert::Infallible;
    pub use core::mem::drop;
    pub use core::module_path;
    pub use core::ops::ControlFlow;
    pub use core::option::Option::{None, Some};
    pub use core::pin::pin;

    pub use opentelemetry::trace::SpanKind;
    pub use traced_core::{Callsite, Origin, Verdict};
    pub use traced_macros::{event, set, span};

    pub use crate::carry::{propagate, spawned};
    pub use crate::future::{BoxedFuture, BoxedStream, Drive, Driven, traced, traced_stream};
    pub use crate::hand::{Note, Span};
    pub use crate::outcome::{error, is_fault, probe, success};
    pub use crate::span::{Call, holds, made, made_future, name_of};
    pub use crate::track::{Attempt, Residual};
}

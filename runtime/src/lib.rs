//! One attribute, one correct OpenTelemetry span per call.

mod callsite;
mod carry;
mod future;
mod hand;
pub mod mask;
mod outcome;
mod panic;
mod pipeline;
mod propagation;
mod route;
mod setup;
mod span;
pub mod testing;
mod track;
mod value;

mod console;

pub use opentelemetry;
pub use traced_macros::traced;

/// A span by hand.
#[macro_export]
macro_rules! span {
    ($($tokens:tt)*) => { $crate::__private::span!(($crate) $($tokens)*) };
}

/// An event on the current span.
#[macro_export]
macro_rules! event {
    ($($tokens:tt)*) => { $crate::__private::event!(($crate) $($tokens)*) };
}

/// Attributes of the current span.
#[macro_export]
macro_rules! set {
    ($($tokens:tt)*) => { $crate::__private::set!(($crate) $($tokens)*) };
}

#[cfg(feature = "tokio")]
pub use carry::{JoinSet, spawn, spawn_blocking, spawn_local};
pub use carry::{propagate, thread};
pub use console::Console;
pub use hand::{Current, Entered, Span, current};
pub use outcome::Failure;
pub use propagation::*;
pub use setup::*;
pub use value::{Attribute, Element};

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
    pub use traced_macros::{event, set, span};

    pub use crate::callsite::Callsite;
    pub use crate::carry::{closure, future, propagate};
    pub use crate::future::{BoxedFuture, BoxedStream, Drive, Driven, traced, traced_stream};
    pub use crate::hand::{Note, Span, attribute, debug, display};
    pub use crate::outcome::{Verdict, error, is_fault, probe, success};
    pub use crate::span::{Call, Left, holds, made, name_of};
    pub use crate::track::{Attempt, Residual};
}

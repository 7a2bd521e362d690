//! What is constant about one place in the code that makes spans.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use opentelemetry::trace::SpanKind;

/// A place that makes spans: name, kind, scope and source position.
///
/// The macro puts one into a static beside each traced body, so what many have in common they share, and what is only known
/// at run time is kept elsewhere, by the number of the place.
#[derive(Debug)]
pub struct Callsite {
    /// The spans' name.
    pub name: &'static str,
    /// Where it stands.
    pub origin: &'static Origin,
    /// Whether it makes spans, and since when that holds.
    pub verdict: AtomicU64,
    /// Its place among all that have recorded; zero before.
    pub number: AtomicU32,
    /// The line in the file.
    pub line: u32,
    /// The spans' kind.
    pub kind: SpanKind,
    /// Whether its spans stay out of OpenTelemetry's context where they can.
    pub is_leaf: bool,
    /// Whether the function's full name is known.
    pub is_named: AtomicBool,
}

/// What the call sites of one module have in common.
#[derive(Debug)]
pub struct Origin {
    /// The crate's name, or what `scope = "…"` says; then without a version.
    pub scope: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// Completed to the function's full name by the type name of its body.
    pub module: &'static str,
    /// The file, as the compiler prints it.
    pub file: &'static str,
}

impl Callsite {
    /// The constants of one place.
    pub const fn new(name: &'static str, kind: SpanKind, line: u32, origin: &'static Origin) -> Self {
        Self::with(name, kind, line, origin, false)
    }

    /// As `new`, for a function that calls nothing that reads OpenTelemetry's context.
    pub const fn leaf(name: &'static str, kind: SpanKind, line: u32, origin: &'static Origin) -> Self {
        Self::with(name, kind, line, origin, true)
    }

    const fn with(
        name: &'static str,
        kind: SpanKind,
        line: u32,
        origin: &'static Origin,
        is_leaf: bool,
    ) -> Self {
        let (verdict, number, is_named) = (AtomicU64::new(0), AtomicU32::new(0), AtomicBool::new(false));
        Self { name, origin, verdict, number, line, kind, is_leaf, is_named }
    }
}

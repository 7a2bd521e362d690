//! Hooks of the program's: what sees a span start, on the thread that starts it, and end, on the way to the exporters.
//!
//! Stands beside the recorder, which calls `on_start` once a span has begun and `on_end` where records have become
//! `SpanData`. Knows nothing of rings and queues, and never lets a hook's panic out.

mod baggage;
mod ends;

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{SpanContext, SpanKind};
use opentelemetry::{Context, InstrumentationScope, Key, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanLimits};

use crate::context::Deciding;
use crate::fields::Fields;
use crate::record::Extra;
use crate::value::{Attribute, survive};
pub(crate) use baggage::BaggageAttributes;
pub(crate) use ends::Ends;

/// A hook that sees spans start and end, and may add attributes.
///
/// ```
/// use traced::{Processor, Starting, traced};
///
/// struct Region(&'static str);
///
/// impl Processor for Region {
///     fn on_start(&self, span: &mut Starting<'_>) {
///         if span.name().starts_with("GET ") {
///             span.set("cloud.region", self.0);
///         }
///     }
/// }
///
/// #[traced(name = "GET /orders", kind = server)]
/// fn orders() {}
///
/// let tracing = traced::builder("shop").processor(Region("eu-1")).install()?;
/// orders();
/// # tracing.shutdown(std::time::Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A set-up has as many as [`Builder::processor`](crate::Builder::processor) was called, asked in that order, and about every
/// span that is recorded: of `#[traced]`, of `span!`, of leaves, and of other code that asks `opentelemetry::global`. They see
/// nothing of a capture in a test, and nothing of spans that go through a provider of the program's own
/// ([`attach_global`](crate::attach_global)), which has processors of its own.
///
/// A hook that panics has done what it did before, and the span goes on. While `on_start` runs, nothing it calls is traced.
pub trait Processor: Send + Sync + 'static {
    /// A span has started. Runs on the thread that calls the function, before its body, and is paid by every such call.
    fn on_start(&self, span: &mut Starting<'_>) {
        let _ = span;
    }

    /// A span is over, and not yet with any exporter. Runs on a thread of ours.
    fn on_end(&self, span: &mut SpanData) {
        let _ = span;
    }
}

/// A span that has just started, as a [`Processor`] sees it.
pub struct Starting<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a SpanKind,
    pub(crate) scope: &'a InstrumentationScope,
    pub(crate) parent: &'a Context,
    pub(crate) span: &'a SpanContext,
    pub(crate) attributes: Attributes<'a>,
}

/// Where the attributes of a span are that starts.
pub(crate) enum Attributes<'a> {
    /// With its call.
    Call(&'a mut Fields),
    /// With the code that made it.
    Other(&'a mut Extra, &'a SpanLimits),
}

impl Starting<'_> {
    /// The span's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The span's kind.
    pub fn kind(&self) -> &SpanKind {
        self.kind
    }

    /// The instrumentation scope: who makes the span.
    pub fn scope(&self) -> &InstrumentationScope {
        self.scope
    }

    /// The context of the parent, with its baggage; without a span in it, this one starts a trace.
    pub fn parent(&self) -> &Context {
        self.parent
    }

    /// The span's own ids and flags.
    pub fn span_context(&self) -> &SpanContext {
        self.span
    }

    /// The attributes that the span has by now: what the sampler added or was shown, what hooks before this one set, and what
    /// other code gave a span of its own. What a traced function captures comes later, and is in `on_end`.
    pub fn attributes(&self) -> Vec<KeyValue> {
        match &self.attributes {
            Attributes::Call(fields) => fields.to_key_values(),
            Attributes::Other(extra, _) => extra.attributes.clone(),
        }
    }

    /// Adds an attribute, within the limits of the set-up; a value that is absent (`None`) adds nothing.
    pub fn set(&mut self, key: impl Into<Key>, value: impl Attribute) {
        let Some(value) = value.value() else { return };
        let attribute = KeyValue::new(key.into(), value);
        match &mut self.attributes {
            Attributes::Call(fields) => fields.push_other(attribute),
            Attributes::Other(extra, limits) => extra.attribute(attribute, limits),
        }
    }
}

impl fmt::Debug for Starting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").field("name", &self.name).field("span", &self.span).finish_non_exhaustive()
    }
}

/// All hooks of a set-up, in their order.
#[derive(Clone, Default)]
pub(crate) struct Processors(pub(crate) Vec<Arc<dyn Processor>>);

impl Processors {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shows them a span that starts. Nothing of ours may be borrowed: what they do is theirs.
    pub(crate) fn start(&self, span: &mut Starting<'_>) {
        // What a hook calls may be traced, and would be shown to it in turn, for ever.
        let _deciding = Deciding::enter();
        for processor in &self.0 {
            survive(|| processor.on_start(span));
        }
    }
}

impl Processors {
    /// Shows them a span that is over.
    pub(crate) fn end(&self, span: &mut SpanData) {
        for processor in &self.0 {
            survive(|| processor.on_end(span));
        }
    }
}

impl fmt::Debug for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Processors").field(&self.0.len()).finish()
    }
}

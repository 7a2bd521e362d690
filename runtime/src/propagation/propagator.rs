//! Which formats are written and read, and by whom: the list of propagators that the set-up has chosen.
//!
//! Asks each in its turn, and knows which of several answers counts. What a format looks like is its own file's.

use std::str::FromStr;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::{error, fmt};

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;

use super::b3::{self, B3, B3_FLAGS, B3_PARENT_SPAN_ID, B3_SAMPLED, B3_SPAN_ID, B3_TRACE_ID};
use super::baggage::{self, BAGGAGE};
use super::header::Written;
use super::jaeger::{self, UBER_TRACE_ID};
use super::trace_context::{self, TRACEPARENT, TRACESTATE};
use super::{AsLink, Carrier, Extract, Inject, custom, trace_id};
use crate::fault::debug_as_display;

/// A format in which context travels.
///
/// ```
/// use traced::Propagator;
///
/// // The names are those of `OTEL_PROPAGATORS`.
/// assert!(matches!("b3multi".parse(), Ok(Propagator::B3Multi)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Propagator {
    /// W3C's `traceparent` and `tracestate`.
    TraceContext,
    /// W3C's `baggage`.
    Baggage,
    /// B3 in the one header `b3`. Either B3 reads both forms.
    B3Single,
    /// B3 in the headers `x-b3-traceid`, `x-b3-spanid` and `x-b3-sampled`. Either B3 reads both forms.
    B3Multi,
    /// Jaeger's `uber-trace-id`, and its baggage in `uberctx-…`.
    Jaeger,
    /// The plain `x-trace-id` of services that have no spans: 32 or 16 digits, or a UUID. It is read and never written. A
    /// span under it starts the trace of that id and has no parent; where any other format finds a parent, it does not
    /// count. A provider of the program's own, behind [`attach_global`](crate::attach_global), is not told.
    XTraceId,
    /// One of your own. It sees no header that is malformed or oversized, nothing it writes but printable
    /// ASCII gets through, and if it panics, nothing is read or written.
    Custom(Box<dyn TextMapPropagator + Send + Sync>),
}

impl<P: TextMapPropagator + Send + Sync + 'static> From<P> for Propagator {
    fn from(propagator: P) -> Self {
        Self::Custom(Box::new(propagator))
    }
}

/// The names that `OTEL_PROPAGATORS` has for them.
const NAMED: [(&str, Propagator); 6] = [
    ("tracecontext", Propagator::TraceContext),
    ("baggage", Propagator::Baggage),
    ("b3", Propagator::B3Single),
    ("b3multi", Propagator::B3Multi),
    ("jaeger", Propagator::Jaeger),
    ("xtraceid", Propagator::XTraceId),
];

/// Formats that OpenTelemetry has a name for, and nobody here reads: X-Ray's ids have no place in a `traceparent`, and OT
/// trace is on its way out.
const FOREIGN: [&str; 2] = ["xray", "ottrace"];

impl FromStr for Propagator {
    type Err = UnknownPropagator;

    fn from_str(name: &str) -> Result<Self, UnknownPropagator> {
        let named = NAMED.into_iter().find(|(other, _)| *other == name);
        named.map(|(_, propagator)| propagator).ok_or_else(|| UnknownPropagator(name.to_owned()))
    }
}

/// A name that is no [`Propagator`]'s.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownPropagator(String);

impl fmt::Display for UnknownPropagator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        let known = NAMED.map(|(name, _)| format!("`{name}`")).join(", ");
        if self.is_foreign() {
            return write!(
                f,
                "no propagator `{name}` is built in; give one of your own with `builder(…).propagators(…)`, or one of {known}"
            );
        }
        write!(f, "unknown propagator `{name}`; expected one of {known}")
    }
}

impl error::Error for UnknownPropagator {}

debug_as_display!(UnknownPropagator);

impl UnknownPropagator {
    /// Whether OpenTelemetry knows the name.
    pub(crate) fn is_foreign(&self) -> bool {
        FOREIGN.contains(&self.0.as_str())
    }
}

impl Propagator {
    /// What the environment calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
            Self::B3Single => "b3",
            Self::B3Multi => "b3multi",
            Self::Jaeger => "jaeger",
            Self::XTraceId => "xtraceid",
            Self::Custom(_) => "custom",
        }
    }

    /// The names it writes under or removes.
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::TraceContext => vec![TRACEPARENT, TRACESTATE],
            Self::Baggage => vec![BAGGAGE],
            Self::B3Single => vec![B3],
            Self::B3Multi => vec![B3_TRACE_ID, B3_SPAN_ID, B3_PARENT_SPAN_ID, B3_SAMPLED, B3_FLAGS],
            Self::Jaeger => vec![UBER_TRACE_ID],
            Self::XTraceId => Vec::new(),
            Self::Custom(custom) => custom.fields().collect(),
        }
    }

    fn write(&self, cx: &Context, carrier: &mut dyn Inject) {
        let mut headers = Written::default();
        match self {
            Self::TraceContext => trace_context::write(cx, &mut headers),
            Self::Baggage => baggage::write(cx, &mut headers),
            Self::B3Single => b3::write_single(cx, &mut headers),
            Self::B3Multi => b3::write_multiple(cx, &mut headers),
            Self::Jaeger => jaeger::write(cx, &mut headers),
            Self::XTraceId => {}
            Self::Custom(custom) => custom::write(custom.as_ref(), cx, &mut headers),
        }
        // What writes at all answers for all its fields; what has nothing to say leaves a proxy's headers
        // alone.
        if headers.0.is_empty() {
            return;
        }
        // Jaeger has its baggage beside, and may have nothing to say about the span.
        let stale = if matches!(self, Self::Jaeger) { Vec::new() } else { self.fields() };
        for field in stale {
            if !headers.0.iter().any(|(name, _)| name.eq_ignore_ascii_case(field)) {
                carrier.unset(&field.to_ascii_lowercase());
            }
        }
        for (name, value) in &headers.0 {
            carrier.set(name, value);
        }
    }

    /// `cx` with what is found in `carrier`.
    fn read(&self, cx: &Context, carrier: &dyn Extract) -> Option<Context> {
        match self {
            Self::TraceContext => Some(cx.with_remote_span_context(trace_context::read(carrier)?)),
            Self::Baggage => Some(cx.with_baggage(baggage::read(carrier)?)),
            Self::B3Single | Self::B3Multi => b3::read(cx, carrier),
            Self::Jaeger => jaeger::read(cx, carrier),
            Self::XTraceId => trace_id::read(cx, carrier),
            Self::Custom(custom) => custom::read(custom.as_ref(), cx, carrier),
        }
    }
}

/// Several propagators as one. They are asked in order; of those that find a parent, the first decides.
#[derive(Clone, Debug)]
pub(crate) struct Propagators {
    list: Arc<[Propagator]>,
    /// So many of the list, from the front, write; all of them read.
    writing: usize,
    /// The names they write under, for `TextMapPropagator`.
    fields: Arc<[String]>,
}

static CONFIGURED: LazyLock<RwLock<Propagators>> = LazyLock::new(RwLock::default);

/// Says which propagators write and read from now on: all of `list`, or those of a program without a set-up.
pub(crate) fn configure(list: Option<Vec<Propagator>>) {
    replace(list.map_or_else(Propagators::default, Propagators::new));
}

fn replace(mut propagators: Propagators) {
    let mut configured = CONFIGURED.write().unwrap_or_else(PoisonError::into_inner);
    std::mem::swap(&mut *configured, &mut propagators);
    // What was there is dropped without the lock: a propagator of the user's may have a `Drop`.
    drop(configured);
}

/// The propagators as they are now; a later set-up does not change them.
pub(crate) fn configured() -> Propagators {
    CONFIGURED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Default for Propagators {
    /// Without a set-up: writes W3C, which everybody reads by now, and reads B3 as well, which many still
    /// write.
    fn default() -> Self {
        Self::both(vec![Propagator::TraceContext, Propagator::Baggage], vec![Propagator::B3Single])
    }
}

impl Propagators {
    /// All of `list` write and read; of none, nothing is written or read.
    pub(super) fn new(list: Vec<Propagator>) -> Self {
        Self::both(list, Vec::new())
    }

    fn both(writing: Vec<Propagator>, reading_only: Vec<Propagator>) -> Self {
        let fields = writing.iter().flat_map(Propagator::fields).map(str::to_owned).collect();
        Self { writing: writing.len(), list: writing.into_iter().chain(reading_only).collect(), fields }
    }

    pub(super) fn write(&self, cx: &Context, carrier: &mut dyn Inject) {
        for propagator in &self.list[..self.writing] {
            propagator.write(cx, carrier);
        }
    }

    pub(super) fn read(&self, cx: &Context, carrier: &dyn Extract) -> Context {
        let mut cx = cx.clone();
        let mut parent = None;
        for propagator in self.list.iter() {
            let has_more =
                matches!(propagator, Propagator::Baggage | Propagator::Jaeger | Propagator::Custom(_));
            let seeks_parent = !has_more;
            if seeks_parent && parent.is_some() {
                continue;
            }
            let Some(read) = propagator.read(&cx, carrier) else { continue };
            let (was, is) = (cx.as_link(), read.as_link());
            cx = read;
            match &parent {
                Some(parent) if is != *parent => cx = cx.with_remote_span_context(parent.clone()),
                None if is.is_valid() && is != was => parent = Some(is),
                _ => {}
            }
        }
        cx
    }
}

/// For `opentelemetry::global`, so that libraries that ask there speak the same formats, as strictly.
impl TextMapPropagator for Propagators {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        self.write(cx, &mut Carrier(injector));
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.read(cx, &Carrier(extractor))
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::super::extract;
    use super::super::tests::{Odd, SPAN, TRACE, W3C, extracted, text};
    use super::*;

    #[test]
    fn the_first_format_that_finds_a_parent_decides() {
        let b3 = format!("{TRACE}-{SPAN}-0");
        assert_eq!(text(&extracted([(B3, b3.as_str()), (TRACEPARENT, W3C)])), format!("{TRACE}-{SPAN}-01"));
        assert_eq!(text(&extracted([(B3, b3.as_str()), (TRACEPARENT, "?")])), format!("{TRACE}-{SPAN}-00"));
        let b3_first = Propagators::new(vec![Propagator::B3Multi, Propagator::TraceContext]);
        let cx = b3_first.read(&Context::new(), &[(B3, b3.as_str()), (TRACEPARENT, W3C)]);
        assert!(!cx.as_link().is_sampled());
        let nobody = Propagators::new(Vec::new());
        assert!(!nobody.read(&Context::new(), &[(TRACEPARENT, W3C)]).has_active_span());
    }

    #[test]
    fn the_set_up_decides_which_propagators_there_are() {
        let marks = Odd(
            |_| {},
            |cx, extractor| match extractor.get("x-traced-test") {
                Some(_) => cx.with_value("seen"),
                None => cx.clone(),
            },
        );
        let writing = vec![Propagator::TraceContext, Propagator::Baggage];
        replace(Propagators::both(writing, vec![Propagator::B3Single, marks.into()]));
        let parent = extract(&[("x-traced-test", "1")]);
        configure(None);
        assert_eq!(parent.context().get::<&str>(), Some(&"seen"));
    }

    #[test]
    fn propagators_have_the_names_of_the_environment() {
        for (name, expected) in [
            ("tracecontext", "TraceContext"),
            ("baggage", "Baggage"),
            ("b3", "B3Single"),
            ("b3multi", "B3Multi"),
            ("jaeger", "Jaeger"),
            ("xtraceid", "XTraceId"),
        ] {
            assert_eq!(format!("{:?}", Propagator::from_str(name).unwrap()), expected);
        }
        assert_eq!(
            Propagator::from_str("yaeger").unwrap_err().to_string(),
            "unknown propagator `yaeger`; expected one of `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, \
             `xtraceid`"
        );
        let foreign = Propagator::from_str("xray").unwrap_err().to_string();
        assert!(
            foreign.starts_with(
                "no propagator `xray` is built in; give one of your own with `builder(…).propagators(…)`"
            ),
            "{foreign}"
        );
    }
}

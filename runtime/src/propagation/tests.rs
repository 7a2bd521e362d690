//! What holds of every format, and what the tests of all of them share.

use std::collections::HashMap;

use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use proptest::prelude::*;

use super::b3::{B3, B3_FLAGS, B3_SAMPLED, B3_SPAN_ID, B3_TRACE_ID};
use super::baggage::BAGGAGE;
use super::custom::KNOWN;
use super::header::{MAX_LENGTH, is_token};
use super::propagator::Propagators;
use super::trace_context::{TRACEPARENT, TRACESTATE};
use super::*;

// what the others, of whatever module, expect.

pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const SPAN: &str = "b7ad6b7169203331";
pub(super) const W3C: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn extracted(carrier: impl Extract) -> Parent {
    Propagators::default().read(&Context::new(), &carrier).into()
}

pub(super) fn injected(list: Vec<Propagator>, cx: &Context) -> Pairs {
    let mut pairs = Pairs::new();
    Propagators::new(list).write(cx, &mut pairs);
    pairs
}

pub(super) fn all() -> Vec<Propagator> {
    vec![Propagator::TraceContext, Propagator::Baggage, Propagator::B3Single, Propagator::B3Multi]
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn baggage_of(parent: &Parent) -> Pairs {
    let baggage = parent.context().baggage().iter();
    let mut members: Pairs = baggage
        .map(|(name, (value, properties))| (name.to_string(), format!("{value};{properties}")))
        .collect();
    members.sort();
    members
}

/// `trace-span-flags`, or nothing.
pub(super) fn text(parent: &Parent) -> String {
    let span = parent.span_context();
    if !span.is_valid() {
        assert_eq!(span, SpanContext::NONE);
        return String::new();
    }
    assert!(span.is_remote());
    format!("{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags())
}

/// A propagator that does whatever it is told.
#[derive(Debug)]
pub(super) struct Odd(pub(super) fn(&mut dyn Injector), pub(super) fn(&Context, &dyn Extractor) -> Context);

impl TextMapPropagator for Odd {
    fn inject_context(&self, _: &Context, injector: &mut dyn Injector) {
        (self.0)(injector);
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        (self.1)(cx, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&[])
    }
}

#[test]
fn a_repeated_header_is_malformed_unless_it_is_a_list() {
    let other = W3C.replace('a', "b");
    let headers = [("traceparent", W3C), ("TraceParent", &other)];
    assert_eq!(text(&extracted(headers)), "", "two spellings of one name are one name");
    assert_eq!(text(&extracted(HashMap::from(headers))), "");
    assert_eq!(text(&extracted([(TRACEPARENT, W3C), (TRACEPARENT, W3C)])), "");
    assert_eq!(text(&extracted([(TRACEPARENT, W3C), (TRACEPARENT, "\u{1}")])), "");

    let parent = extracted([
        (TRACESTATE, "a=1"),
        (TRACEPARENT, W3C),
        (BAGGAGE, "k=v"),
        ("Tracestate", ""),
        (TRACESTATE, "b=2"),
        (BAGGAGE, "l=w"),
    ]);
    assert_eq!(parent.span_context().trace_state().header(), "a=1,b=2");
    assert_eq!(baggage_of(&parent), pairs(&[("k", "v;"), ("l", "w;")]));

    let flood = vec![(BAGGAGE, ""); 10_000];
    assert_eq!(baggage_of(&extracted(flood)), []);
}

#[test]
fn every_format_writes_what_it_reads() {
    let headers = [(TRACEPARENT, W3C), (TRACESTATE, "a=1"), (BAGGAGE, "b=2,a=1;p")];
    assert_eq!(
        injected(all(), extracted(headers).context()),
        pairs(&[
            (TRACEPARENT, W3C),
            (TRACESTATE, "a=1"),
            (BAGGAGE, "a=1;p,b=2"),
            (B3, &format!("{TRACE}-{SPAN}-1")),
            (B3_TRACE_ID, TRACE),
            (B3_SPAN_ID, SPAN),
            (B3_SAMPLED, "1"),
        ])
    );
    for state in ["-0", "-1", "-d", ""] {
        let cx = extracted([(B3, format!("{TRACE}-{SPAN}{state}"))]).context().clone();
        let single = injected(vec![Propagator::B3Single], &cx);
        assert_eq!(single, pairs(&[(B3, &format!("{TRACE}-{SPAN}{state}"))]));
        let multi = extracted(injected(vec![Propagator::B3Multi], &cx));
        assert_eq!((multi.span_context(), multi.is_deferred()), (cx.as_link(), is_deferred(&cx)));
    }
}

#[test]
fn what_the_program_itself_put_into_a_context_cannot_break_out_of_a_header() {
    let state = TraceState::from_key_value([("a", "1\r\nx: y")]).unwrap();
    let span = SpanContext::new(TraceId::from(1), SpanId::from(1), TraceFlags::SAMPLED, false, state);
    let cx = Context::new().with_remote_span_context(span).with_baggage([
        KeyValueMetadata::new("a", "1\r\nx: y", "p;q\r\nx: y;r,admin=1;é;s"),
        KeyValueMetadata::new("b", "🦀+%=", ""),
    ]);
    assert_eq!(
        injected(vec![Propagator::TraceContext, Propagator::Baggage], &cx),
        pairs(&[
            (TRACEPARENT, &format!("00-{:032x}-{:016x}-01", 1, 1)),
            (BAGGAGE, "a=1%0D%0Ax:%20y;p;s,b=%F0%9F%A6%80%2B%25%3D"),
        ])
    );
}

/// A header, most often nearly as it should be.
fn any_header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let sound = prop_oneof![
        (Just(TRACEPARENT), Just(W3C.to_owned())),
        (Just(TRACEPARENT), "0[01]-[a-f0-9]{32}-[a-f0-9]{16}-0[0-3](-[a-z]{0,3})?"),
        (Just(TRACESTATE), "([a-z][a-z0-9@_]{0,3}=[!-+--<>-~]{1,6},?){1,9}"),
        (Just(BAGGAGE), "([a-zA-Z!(]{1,3} ?= ?[ -~]{0,9}(%[0-9a-fA-F]{1,2}){0,3}(;[ -~]{0,5}){0,2},?){0,9}"),
        (Just(B3), "[a-f0-9]{32}-[a-f0-9]{16}(-[01d])?"),
        (Just(B3_TRACE_ID), "[a-f0-9]{16}([a-f0-9]{16})?"),
        (Just(B3_SPAN_ID), "[a-f0-9]{16}"),
        (Just(B3_SAMPLED), "[01d]|true|false"),
        (Just(B3_FLAGS), "[01]"),
    ];
    let changes = proptest::collection::vec((any::<usize>(), any::<u8>()), 0..2);
    let nearly = (sound, changes).prop_map(|((name, text), changes)| {
        let mut bytes = text.into_bytes();
        for (index, byte) in changes {
            let length = bytes.len().max(1);
            if let Some(place) = bytes.get_mut(index % length) {
                *place = byte;
            }
        }
        (name, bytes)
    });
    let random = proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![3 => nearly, 1 => (proptest::sample::select(KNOWN.to_vec()), random)]
}

proptest! {
    #[test]
    fn what_older_headers_say_goes_out_sound_or_not_at_all(
        span in prop_oneof!["[0-9a-f]{1,33}(:|%3A)[0-9a-f]{1,17}:[0-9a-f]{1,2}:[0-9a-f]{1,3}", any::<String>()],
        trace in prop_oneof!["[0-9a-fA-F-]{16,36}", any::<String>()],
        name in prop_oneof!["[uU]berctx-[a-zA-Z%(]{0,5}", any::<String>()],
        value in any::<String>(),
    ) {
        let list = || vec![Propagator::Jaeger, Propagator::XTraceId];
        let headers = [("uber-trace-id".to_owned(), span), ("x-trace-id".to_owned(), trace), (name, value)];
        let parent = Parent::from(Propagators::new(list()).read(&Context::new(), &headers));
        let written = injected(list(), parent.context());
        for (name, value) in &written {
            prop_assert!(is_token(name));
            prop_assert!(value.len() <= MAX_LENGTH && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        let again = Parent::from(Propagators::new(list()).read(&Context::new(), &written));
        prop_assert_eq!(again.span_context(), parent.span_context());
    }
}

/// A carrier of bytes.
#[derive(Debug)]
struct Raw(Vec<(&'static str, Vec<u8>)>);

impl Extract for Raw {
    fn find(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
        self.0.iter().filter(|(key, _)| *key == name).for_each(|(_, value)| found(value));
    }
}

proptest! {
    #[test]
    fn only_sound_headers_go_out_and_mean_what_came_in(headers in proptest::collection::vec(any_header(), 0..9)) {
        let parent = extracted(Raw(headers));
        let written = injected(all(), parent.context());
        for (name, value) in &written {
            prop_assert!(is_token(name));
            prop_assert!(value.len() <= MAX_LENGTH && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        let again = extracted(&written);
        prop_assert_eq!(baggage_of(&parent), baggage_of(&again));
        let (span, copy) = (parent.span_context(), again.span_context());
        prop_assert_eq!(span.trace_state(), copy.trace_state());
        prop_assert_eq!((span.trace_id(), span.span_id()), (copy.trace_id(), copy.span_id()));
        // Not the flags as a whole: W3C, which is read first here, has none for B3's debug.
        prop_assert_eq!(span.is_sampled(), copy.is_sampled());
    }
}

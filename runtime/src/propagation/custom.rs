//! A propagator of the user's: what it is shown of a carrier, and what of its writing goes out.
//!
//! It may be OpenTelemetry's own, and is as safe here as the formats beside it: whatever it takes from a header
//! and puts into another has passed through here. If it panics, it has found and written nothing.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};

use super::b3::{self, B3, B3_FLAGS, B3_PARENT_SPAN_ID, B3_SAMPLED, B3_SPAN_ID, B3_TRACE_ID};
use super::baggage::BAGGAGE;
use super::header::{self, Written};
use super::jaeger::{self, UBER_TRACE_ID};
use super::trace_context::{self, TRACEPARENT, TRACESTATE};
use super::{AsLink, Extract};
use crate::value::survive;

/// The names that have a format here.
pub(super) const KNOWN: [&str; 10] = [
    TRACEPARENT,
    TRACESTATE,
    BAGGAGE,
    B3,
    B3_TRACE_ID,
    B3_SPAN_ID,
    B3_PARENT_SPAN_ID,
    B3_SAMPLED,
    B3_FLAGS,
    UBER_TRACE_ID,
];

pub(super) fn read(custom: &dyn TextMapPropagator, cx: &Context, carrier: &dyn Extract) -> Option<Context> {
    survive(|| custom.extract_with_context(cx, &Screened::of(carrier, custom.fields())))
}

pub(super) fn write(custom: &dyn TextMapPropagator, cx: &Context, headers: &mut Written) {
    let survived = survive(|| custom.inject_context(cx, headers)).is_some();
    headers.0.retain(|(name, value)| survived && may_write(cx, name, value));
}

/// Whether `value` has the format that the header `name` has here.
fn is_sound(name: &str, value: &str) -> bool {
    match name {
        TRACEPARENT => trace_context::parent(value).is_some(),
        TRACESTATE => trace_context::state(value).is_some(),
        B3 => b3::single(value).is_some(),
        B3_TRACE_ID => b3::trace_id(value).is_some(),
        B3_SPAN_ID | B3_PARENT_SPAN_ID => header::span_id(value).is_some(),
        UBER_TRACE_ID => jaeger::span(value).is_some(),
        _ => true,
    }
}

fn may_write(cx: &Context, name: &str, value: &str) -> bool {
    let is_header =
        header::is_token(name) && header::text(value.as_bytes()).is_some_and(|text| !text.is_empty());
    is_header
        && match name {
            // OpenTelemetry's own writes "not sampled" where there is no span, which would switch tracing off
            // down the line.
            B3 | B3_SAMPLED => cx.as_link().is_valid(),
            _ => is_sound(name, value),
        }
}

impl Injector for Written {
    fn set(&mut self, name: &str, value: String) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name.into(), value));
    }
}

/// What of a carrier is shown, by name in lower case.
struct Screened(BTreeMap<String, Vec<String>>);

impl Screened {
    fn of<'a>(carrier: &dyn Extract, fields: impl Iterator<Item = &'a str>) -> Self {
        const MAX_NAMES: usize = 256;

        let mut names: BTreeSet<_> = fields.chain(KNOWN).map(str::to_ascii_lowercase).collect();
        carrier.names(&mut |name| {
            // Each is looked for in the whole carrier, so a flood of them would take its time squared.
            if names.len() < MAX_NAMES {
                names.insert(name.to_ascii_lowercase());
            }
        });
        let screened = |name: String| screened(carrier, &name).map(|values| (name, values));
        Self(names.into_iter().filter_map(screened).collect())
    }
}

/// The values under `name`: of the names that have a format here, what has that format; of any other name, what
/// is the text of a header.
fn screened(carrier: &dyn Extract, name: &str) -> Option<Vec<String>> {
    let values = match name {
        TRACESTATE | BAGGAGE => vec![header::list(carrier, name)?],
        _ if KNOWN.contains(&name) => vec![header::one(carrier, name).ok()??],
        _ => header::all(carrier, name).ok()?,
    };
    let sound = !values.is_empty() && values.iter().all(|value| is_sound(name, value));
    sound.then_some(values)
}

impl Extractor for Screened {
    fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name)?.first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn get_all(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.0.get(&name.to_ascii_lowercase())?.iter().map(String::as_str).collect())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
    use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

    use super::super::Propagator;
    use super::super::propagator::Propagators;
    use super::super::tests::{Odd, Pairs, SPAN, TRACE, W3C, injected, pairs};
    use super::*;

    #[test]
    fn what_a_propagator_of_the_users_writes_is_checked() {
        let odd = Odd(
            |injector| {
                injector.set("X-Sound", "1".into());
                injector.set("x-sound", "2".into());
                injector.set("x-line", "1\r\nx: y".into());
                injector.set("x-line: y\r\nx", "1".into());
                injector.set("x-crab", "🦀".into());
                injector.set("x-long", "a".repeat(header::MAX_LENGTH + 1));
                injector.set("x-empty", String::new());
                injector.set("", "1".into());
                injector.set(TRACEPARENT, "nonsense".into());
                injector.set(TRACESTATE, "A=1".into());
                injector.set(B3, "0".into());
                injector.set(B3_SAMPLED, "0".into());
            },
            |cx, _| cx.clone(),
        );
        assert_eq!(injected(vec![odd.into()], &Context::new()), pairs(&[("x-sound", "2")]));
    }

    #[test]
    fn what_a_propagator_of_the_users_reads_is_screened() {
        let odd = Odd(
            |_| {},
            |cx, extractor| {
                let mut seen: Vec<_> = extractor.keys();
                seen.sort_unstable();
                let seen = seen.into_iter().map(|name| {
                    let values = extractor.get_all(name).unwrap_or_default();
                    format!("{name}={}", values.join("|"))
                });
                cx.with_value(seen.collect::<Vec<_>>())
            },
        );
        let propagators = Propagators::new(vec![odd.into()]);
        let headers = [
            ("X-Any", "1"),
            ("x-any", "2"),
            ("x-line", "1\r\nx: y"),
            (TRACEPARENT, "nonsense"),
            (TRACESTATE, "a=1"),
            (TRACESTATE, "b=2"),
            (BAGGAGE, "k=v"),
            (B3, "0"),
            (B3_TRACE_ID, TRACE),
            (B3_SPAN_ID, "+7ad6b7169203331"),
            (B3_SAMPLED, "1"),
        ];
        let cx = propagators.read(&Context::new(), &headers);
        let expected = ["baggage=k=v", "tracestate=a=1,b=2", "x-any=1|2", "x-b3-sampled=1"];
        let trace_id = format!("x-b3-traceid={TRACE}");
        let expected: Vec<_> = expected.into_iter().chain([trace_id.as_str()]).collect();
        assert_eq!(cx.get::<Vec<String>>().unwrap(), &expected);
        // What is not there is not shown as empty.
        let cx = propagators.read(&Context::new(), &[("x-any", "1")]);
        assert_eq!(cx.get::<Vec<String>>().unwrap(), &["x-any=1"]);
    }

    #[test]
    fn a_propagator_of_the_users_that_panics_reads_and_writes_nothing() {
        let odd = || Odd(|_| panic!("no"), |_, _| panic!("no"));
        let propagators = Propagators::new(vec![odd().into(), Propagator::TraceContext]);
        let cx = propagators.read(&Context::new(), &[(TRACEPARENT, W3C)]);
        assert!(cx.as_link().is_valid());
        let mut written = Pairs::new();
        propagators.write(&cx, &mut written);
        assert_eq!(written, pairs(&[(TRACEPARENT, W3C)]));
    }

    #[test]
    fn a_propagator_of_the_users_does_not_take_the_parent_from_an_earlier_one() {
        let other = || {
            Odd(
                |_| {},
                |cx, _| {
                    let span = SpanContext::new(
                        TraceId::from(1),
                        SpanId::from(1),
                        TraceFlags::SAMPLED,
                        true,
                        TraceState::NONE,
                    );
                    cx.with_remote_span_context(span).with_value("seen")
                },
            )
        };
        let last = Propagators::new(vec![Propagator::TraceContext, other().into()]);
        let cx = last.read(&Context::new(), &[(TRACEPARENT, W3C)]);
        assert_eq!((cx.as_link().span_id().to_string().as_str(), cx.get::<&str>()), (SPAN, Some(&"seen")));
        let first = Propagators::new(vec![other().into(), Propagator::TraceContext]);
        let cx = first.read(&Context::new(), &[(TRACEPARENT, W3C)]);
        assert_eq!(cx.as_link().span_id(), SpanId::from(1));
    }

    #[test]
    fn opentelemetrys_own_propagators_are_as_safe_as_ours() {
        let propagators =
            || Propagators::new(vec![TraceContextPropagator::new().into(), BaggagePropagator::new().into()]);
        let cx = propagators().read(&Context::new(), &[(TRACEPARENT, W3C), (BAGGAGE, "a=1")]);
        let mut written = pairs(&[(TRACESTATE, "stale=1")]);
        propagators().write(&cx, &mut written);
        assert_eq!(written, pairs(&[(TRACEPARENT, W3C), (BAGGAGE, "a=1")]));
        // By themselves, they would take the first and write the line break of the second.
        let hostile = [(TRACEPARENT, "0-1-1-1"), (BAGGAGE, "a=1;p=%0d%0ax: y")];
        let cx = propagators().read(&Context::new(), &hostile);
        assert!(!cx.as_link().is_valid());
        let mut written = Pairs::new();
        propagators().write(&cx, &mut written);
        assert_eq!(written, []);
    }
}

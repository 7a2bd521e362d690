//! Jaeger's own headers, from before it took W3C's: <https://www.jaegertracing.io/sdk-migration/#propagation-format>.
//!
//! `uber-trace-id` names the span; baggage has a header of its own for each member, `uberctx-…`, and is read from
//! `jaeger-baggage` as well, which is for people with a terminal. Zeros in front of an id may be left out.

use std::collections::BTreeSet;

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

use super::b3::DEBUG;
use super::baggage::{KEPT, percent_decoded, percent_encoded};
use super::header::{self, BLANKS, MAX_LENGTH, Written};
use super::{AsLink, Extract};

pub(super) const UBER_TRACE_ID: &str = "uber-trace-id";
const MEMBER: &str = "uberctx-";
const MEMBERS: &str = "jaeger-baggage";

/// `cx` with the span and the baggage that the headers name.
pub(super) fn read(cx: &Context, carrier: &dyn Extract) -> Option<Context> {
    let text = header::one(carrier, UBER_TRACE_ID).ok().flatten();
    let span = text.and_then(|text| span(&text));
    let members = members(carrier);
    if span.is_none() && members.is_empty() {
        return None;
    }
    let mut read = cx.clone();
    if !members.is_empty() {
        // What another format has found stays.
        let present = cx.baggage().iter().map(|(name, (value, metadata))| {
            KeyValueMetadata::new(name.clone(), value.clone(), metadata.clone())
        });
        read = read.with_baggage(members.into_iter().chain(present));
    }
    Some(match span {
        Some(span) => read.with_remote_span_context(span),
        None => read,
    })
}

pub(super) fn write(cx: &Context, headers: &mut Written) {
    let span = cx.as_link();
    if span.is_valid() {
        let flags = match (span.is_sampled(), span.trace_flags() & DEBUG == DEBUG) {
            (_, true) => 3,
            (true, _) => 1,
            (false, _) => 0,
        };
        headers.put(UBER_TRACE_ID, format!("{}:{}:0:{flags}", span.trace_id(), span.span_id()));
    }
    let mut members: Vec<_> = cx.baggage().iter().collect();
    members.sort_unstable_by_key(|(name, _)| name.as_str());
    let mut length = 0;
    for (name, (value, _)) in members {
        let value = percent_encoded(value.as_str());
        let more = MEMBER.len() + name.as_str().len() + value.len();
        if header::is_token(name.as_str()) && !value.is_empty() && length + more <= MAX_LENGTH {
            length += more;
            headers.0.push((format!("{MEMBER}{}", name.as_str().to_ascii_lowercase()).into(), value));
        }
    }
}

/// What a header `uber-trace-id` says.
pub(super) fn span(text: &str) -> Option<SpanContext> {
    // Some clients encode the colons.
    let decoded = if text.contains('%') { percent_decoded(text)? } else { text.to_owned() };
    let mut parts = decoded.split(':');
    let trace_id = TraceId::from(number(parts.next()?, 32)?);
    let span_id = SpanId::from(u64::try_from(number(parts.next()?, 16)?).ok()?);
    // The caller's own parent, zero for none: of no use here, but it must be one.
    number(parts.next()?, 16)?;
    let flags = number(parts.next()?, 2)?;
    if parts.next().is_some() || trace_id == TraceId::INVALID || span_id == SpanId::INVALID {
        return None;
    }
    // The other two are Jaeger's own affair.
    let flags = match (flags & 1, flags & 2) {
        // Debug implies sampled.
        (_, 2) => DEBUG | TraceFlags::SAMPLED,
        (1, _) => TraceFlags::SAMPLED,
        _ => TraceFlags::NOT_SAMPLED,
    };
    Some(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE))
}

/// A number of one to so many hexadecimal digits.
fn number(text: &str, digits: usize) -> Option<u128> {
    header::hex(text, text.len()).filter(|_| (1..=digits).contains(&text.len()))
}

/// The baggage, as much of it as there is room for.
fn members(carrier: &dyn Extract) -> Vec<KeyValueMetadata> {
    let mut names = BTreeSet::new();
    carrier.names(&mut |name| {
        // Each is looked for in the whole carrier, so a flood of them would take its time squared.
        let is_member = name.get(..MEMBER.len()).is_some_and(|start| start.eq_ignore_ascii_case(MEMBER));
        if is_member && names.len() < KEPT {
            names.insert(name.to_ascii_lowercase());
        }
    });
    let mut members = Vec::new();
    let mut length = 0;
    let mut keep = |name: &str, value: &str| {
        length += name.len() + value.len();
        if header::is_token(name)
            && length <= MAX_LENGTH
            && members.len() < KEPT
            && let Some(value) = percent_decoded(&value.replace('+', " "))
        {
            members.push(KeyValueMetadata::new(name.to_owned(), value, ""));
        }
    };
    if let Some(text) = header::list(carrier, MEMBERS) {
        for (name, value) in text.split(',').filter_map(|member| member.split_once('=')) {
            keep(name.trim_matches(BLANKS), value.trim_matches(BLANKS));
        }
    }
    for name in names {
        if let Ok(Some(value)) = header::one(carrier, &name) {
            keep(&name[MEMBER.len()..], &value);
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::Propagator;
    use super::super::propagator::Propagators;
    use super::super::tests::{Pairs, SPAN, TRACE, W3C, baggage_of, injected, pairs, text};
    use super::super::trace_context::TRACEPARENT;
    use super::*;

    fn extracted(carrier: impl Extract) -> super::super::Parent {
        Propagators::new(vec![Propagator::Jaeger]).read(&Context::new(), &carrier).into()
    }

    #[test]
    fn an_uber_trace_id_is_what_jaeger_says_or_nothing() {
        let long = |flags: &str| format!("{TRACE}-{SPAN}-{flags}");
        for (value, expected) in [
            (format!("{TRACE}:{SPAN}:0:1"), long("01")),
            (format!("{TRACE}:{SPAN}:{SPAN}:0"), long("00")),
            (format!("{TRACE}:{SPAN}:0:3"), long("05")),
            (format!("{TRACE}:{SPAN}:0:2"), long("05")),
            (format!("{TRACE}:{SPAN}:0:01"), long("01")),
            (format!("{TRACE}:{SPAN}:0:8"), long("00")),
            (format!("{TRACE}%3A{SPAN}%3a0%3A1"), long("01")),
            (format!("{}:{SPAN}:0:1", &TRACE[1..]), long("01")),
            (format!("{SPAN}:{SPAN}:0:1"), format!("{SPAN:0>32}-{SPAN}-01")),
            ("a:b:0:1".into(), format!("{:0>32}-{:0>16}-01", "a", "b")),
            (String::new(), String::new()),
            (":::".into(), String::new()),
            (format!("{TRACE}:{SPAN}:0"), String::new()),
            (format!("{TRACE}:{SPAN}:0:1:"), String::new()),
            (format!("{TRACE}:{SPAN}::1"), String::new()),
            (format!("{TRACE}:{SPAN}:0:"), String::new()),
            (format!("{TRACE}:{SPAN}:0:001"), String::new()),
            (format!("0{TRACE}:{SPAN}:0:1"), String::new()),
            (format!("{TRACE}:0{SPAN}:0:1"), String::new()),
            (format!("0:{SPAN}:0:1"), String::new()),
            (format!("{TRACE}:0:0:1"), String::new()),
            (format!("+{}:{SPAN}:0:1", &TRACE[1..]), String::new()),
            (format!("{}:{SPAN}:0:1", TRACE.to_uppercase()), String::new()),
            (format!("{TRACE}:{SPAN}:0:1\r\n"), String::new()),
            (format!("{TRACE}%3A{SPAN}%3A0%3A1%0d%0ax: y"), String::new()),
            (format!("{TRACE}:{SPAN}:0:{}", "1".repeat(10_000)), String::new()),
        ] {
            assert_eq!(text(&extracted([(UBER_TRACE_ID, &value)])), expected, "{value:?}");
        }
        let twice = [(UBER_TRACE_ID, format!("{TRACE}:{SPAN}:0:1")), ("Uber-Trace-Id", "a:b:0:1".into())];
        assert_eq!(text(&extracted(twice)), "");
    }

    #[test]
    fn what_is_read_is_written_again() {
        for (flags, written) in [("0", "0"), ("1", "1"), ("2", "3"), ("3", "3"), ("b", "3"), ("9", "1")] {
            let parent = extracted([(UBER_TRACE_ID, format!("a:b:c:{flags}"))]);
            let expected = format!("{:0>32}:{:0>16}:0:{written}", "a", "b");
            assert_eq!(
                injected(vec![Propagator::Jaeger], parent.context()),
                pairs(&[(UBER_TRACE_ID, &expected)])
            );
        }
        // Debug is the same as B3's.
        let debug = extracted([(UBER_TRACE_ID, "a:b:0:3")]);
        let expected = format!("{:0>32}-{:0>16}-d", "a", "b");
        assert_eq!(injected(vec![Propagator::B3Single], debug.context()), pairs(&[("b3", &expected)]));
    }

    #[test]
    fn baggage_has_a_header_for_each_member() {
        let headers = HashMap::from([
            ("Uberctx-Tenant", "blue%2C+inc."),
            ("uberctx-", "no name"),
            ("uberctx-a b", "no token"),
            ("uberctx-bytes", "%ff"),
            ("uberctx-line", "a\r\nb"),
            ("jaeger-baggage", "plan = gold, broken, =x"),
            ("uber", "short"),
            ("übercontext-ä", "no boundary"),
        ]);
        let parent = extracted(headers);
        assert!(!parent.is_valid());
        assert_eq!(baggage_of(&parent), pairs(&[("plan", "gold;"), ("tenant", "blue, inc.;")]));
        let mut written = injected(vec![Propagator::Jaeger], parent.context());
        written.sort();
        assert_eq!(written, pairs(&[("uberctx-plan", "gold"), ("uberctx-tenant", "blue%2C%20inc.")]));
        assert_eq!(baggage_of(&extracted(written)), baggage_of(&parent));
    }

    #[test]
    fn baggage_without_a_span_leaves_the_header_of_a_proxy_alone() {
        let parent = extracted([("uberctx-a", "1")]);
        let mut carrier = pairs(&[(UBER_TRACE_ID, "a:b:0:1")]);
        Propagators::new(vec![Propagator::Jaeger]).write(parent.context(), &mut carrier);
        assert_eq!(carrier, pairs(&[(UBER_TRACE_ID, "a:b:0:1"), ("uberctx-a", "1")]));
    }

    #[test]
    fn hostile_baggage_is_bounded() {
        let flood: Pairs = (0..10_000).map(|n| (format!("uberctx-k{n}"), "v".to_owned())).collect();
        assert_eq!(extracted(flood).context().baggage().len(), KEPT);
        let long: Pairs = (0..10).map(|n| (format!("uberctx-k{n}"), "v".repeat(2_000))).collect();
        assert_eq!(extracted(long).context().baggage().len(), 4);
        assert_eq!(baggage_of(&extracted([("jaeger-baggage", "a=1,".repeat(10_000))])), []);
    }

    #[test]
    fn an_earlier_format_has_the_span_and_jaeger_still_its_baggage() {
        let list = vec![Propagator::TraceContext, Propagator::Baggage, Propagator::Jaeger];
        let headers = [
            (TRACEPARENT, W3C),
            (UBER_TRACE_ID, "a:b:0:1"),
            ("baggage", "a=w3c"),
            ("uberctx-a", "jaeger"),
            ("uberctx-b", "jaeger"),
        ];
        let parent = super::super::Parent::from(Propagators::new(list).read(&Context::new(), &headers));
        assert_eq!(text(&parent), format!("{TRACE}-{SPAN}-01"));
        assert_eq!(baggage_of(&parent), pairs(&[("a", "w3c;"), ("b", "jaeger;")]));
        let jaeger_first = Propagators::new(vec![Propagator::Jaeger, Propagator::TraceContext]);
        let cx = jaeger_first.read(&Context::new(), &headers);
        assert_eq!(cx.as_link().span_id(), SpanId::from(0xb));
    }
}

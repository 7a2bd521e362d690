//! B3, in its single and its multiple form: <https://github.com/openzipkin/b3-propagation>.
//!
//! Its sampling has two states that W3C and `TraceFlags` do not know: `d`, for debug, and none, which leaves
//! the decision to the receiver.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use traced_core::switch::Deferred;

use super::header::{self, Written};
use super::{AsLink, Extract, is_deferred};

pub(super) const B3: &str = "b3";
pub(super) const B3_TRACE_ID: &str = "x-b3-traceid";
pub(super) const B3_SPAN_ID: &str = "x-b3-spanid";
pub(super) const B3_PARENT_SPAN_ID: &str = "x-b3-parentspanid";
pub(super) const B3_SAMPLED: &str = "x-b3-sampled";
pub(super) const B3_FLAGS: &str = "x-b3-flags";

/// Marks a parent that a debugger wants traced through all services. W3C has no such flag, so it is kept
/// where the propagators of OpenTelemetry keep it.
pub(super) const DEBUG: TraceFlags = TraceFlags::new(0x04);

/// What B3 says.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    trace_id: TraceId,
    span_id: SpanId,
    sampling: Sampling,
}

#[derive(Clone, Copy)]
enum Sampling {
    Deferred,
    Denied,
    Accepted,
    Debug,
}

/// `cx` with the span that the headers name, in the single form before the multiple, as the specification says.
pub(super) fn read(cx: &Context, carrier: &dyn Extract) -> Option<Context> {
    let text = header::one(carrier, B3).ok().flatten();
    let caller = text.and_then(|text| single(&text)).or_else(|| multiple(carrier))?;
    Some(caller.over(cx))
}

pub(super) fn write_single(cx: &Context, headers: &mut Written) {
    let Some(Caller { trace_id, span_id, sampling }) = Caller::of(cx) else { return };
    let sampling = match sampling {
        Sampling::Deferred => "",
        Sampling::Denied => "-0",
        Sampling::Accepted => "-1",
        Sampling::Debug => "-d",
    };
    headers.put(B3, format!("{trace_id}-{span_id}{sampling}"));
}

pub(super) fn write_multiple(cx: &Context, headers: &mut Written) {
    let Some(Caller { trace_id, span_id, sampling }) = Caller::of(cx) else { return };
    headers.put(B3_TRACE_ID, trace_id.to_string());
    headers.put(B3_SPAN_ID, span_id.to_string());
    match sampling {
        Sampling::Deferred => {}
        Sampling::Denied => headers.put(B3_SAMPLED, "0"),
        Sampling::Accepted => headers.put(B3_SAMPLED, "1"),
        Sampling::Debug => headers.put(B3_FLAGS, "1"),
    }
}

/// What a header `b3` says.
pub(super) fn single(text: &str) -> Option<Caller> {
    let mut parts = text.split('-');
    let trace_id = trace_id(parts.next()?)?;
    let span_id = header::span_id(parts.next()?)?;
    let sampling = match parts.next() {
        None => Sampling::Deferred,
        Some("0") => Sampling::Denied,
        Some("1") => Sampling::Accepted,
        Some("d") => Sampling::Debug,
        Some(_) => return None,
    };
    // The caller's own parent: of no use here, but it must be one.
    let sound = parts.next().is_none_or(|parent| header::span_id(parent).is_some()) && parts.next().is_none();
    sound.then_some(Caller { trace_id, span_id, sampling })
}

fn multiple(carrier: &dyn Extract) -> Option<Caller> {
    let one = |name| header::one(carrier, name);
    let trace_id = trace_id(&one(B3_TRACE_ID).ok()??)?;
    let span_id = header::span_id(&one(B3_SPAN_ID).ok()??)?;
    let sampling = match (one(B3_FLAGS).ok()?.as_deref(), one(B3_SAMPLED).ok()?.as_deref()) {
        (Some("1"), _) => Sampling::Debug,
        (_, None) => Sampling::Deferred,
        (_, Some("0" | "false")) => Sampling::Denied,
        (_, Some("1" | "true")) => Sampling::Accepted,
        (_, Some(_)) => return None,
    };
    Some(Caller { trace_id, span_id, sampling })
}

pub(super) fn trace_id(text: &str) -> Option<TraceId> {
    header::trace_id(text, 32).or_else(|| header::trace_id(text, 16))
}

impl Caller {
    fn over(self, cx: &Context) -> Context {
        let flags = match self.sampling {
            Sampling::Deferred | Sampling::Denied => TraceFlags::NOT_SAMPLED,
            Sampling::Accepted => TraceFlags::SAMPLED,
            // Debug implies sampled.
            Sampling::Debug => DEBUG | TraceFlags::SAMPLED,
        };
        let span = SpanContext::new(self.trace_id, self.span_id, flags, true, TraceState::NONE);
        let cx = cx.with_remote_span_context(span);
        if matches!(self.sampling, Sampling::Deferred) { cx.with_value(Deferred(self.span_id)) } else { cx }
    }

    /// The span of `cx`, if it has one.
    fn of(cx: &Context) -> Option<Self> {
        let span = cx.as_link();
        let sampling = if is_deferred(cx) {
            Sampling::Deferred
        } else if span.trace_flags() & DEBUG == DEBUG {
            Sampling::Debug
        } else if span.is_sampled() {
            Sampling::Accepted
        } else {
            Sampling::Denied
        };
        let caller = Self { trace_id: span.trace_id(), span_id: span.span_id(), sampling };
        span.is_valid().then_some(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SPAN, TRACE, extracted, injected, pairs, text};
    use super::super::{Parent, Propagator};
    use super::*;

    #[test]
    fn b3_is_read_in_both_forms() {
        let long = |flags: &str| format!("{TRACE}-{SPAN}-{flags}");
        let short = format!("{SPAN:0>32}-{SPAN}-01");
        for (value, expected) in [
            (format!("{TRACE}-{SPAN}-1"), long("01")),
            (format!("{TRACE}-{SPAN}-0"), long("00")),
            (format!("{TRACE}-{SPAN}-d"), long("05")),
            (format!("{TRACE}-{SPAN}"), long("00")),
            (format!("{TRACE}-{SPAN}-1-{SPAN}"), long("01")),
            (format!("{SPAN}-{SPAN}-1"), short.clone()),
            ("0".into(), String::new()),
            ("1".into(), String::new()),
            ("d".into(), String::new()),
            (String::new(), String::new()),
            ("-".into(), String::new()),
            (TRACE.into(), String::new()),
            (format!("{TRACE}-{SPAN}-"), String::new()),
            (format!("{TRACE}-{SPAN}-2"), String::new()),
            (format!("{TRACE}-{SPAN}-true"), String::new()),
            (format!("{TRACE}-{SPAN}-1-"), String::new()),
            (format!("{TRACE}-{SPAN}-1-{SPAN}-"), String::new()),
            (format!("{TRACE}-{SPAN}-1-{TRACE}"), String::new()),
            (format!("{}-{SPAN}-1", "0".repeat(32)), String::new()),
            (format!("{TRACE}-{}-1", "0".repeat(16)), String::new()),
            (format!("{}-{SPAN}-1", TRACE.to_uppercase()), String::new()),
            (format!("+{}-{SPAN}-1", &TRACE[1..]), String::new()),
            (format!("{}-{SPAN}-1", &TRACE[1..]), String::new()),
            (format!("{TRACE}-{SPAN}-1\r\n"), String::new()),
        ] {
            assert_eq!(text(&extracted([(B3, &value)])), expected, "{value:?}");
        }
        for (headers, expected) in [
            (vec![(B3_SAMPLED, "1")], long("01")),
            (vec![(B3_SAMPLED, "true")], long("01")),
            (vec![(B3_SAMPLED, "0")], long("00")),
            (vec![(B3_SAMPLED, "false")], long("00")),
            (vec![(B3_FLAGS, "1")], long("05")),
            (vec![(B3_FLAGS, "1"), (B3_SAMPLED, "0")], long("05")),
            (vec![(B3_FLAGS, "0"), (B3_SAMPLED, "1")], long("01")),
            (vec![(B3_PARENT_SPAN_ID, "nonsense")], long("00")),
            (vec![(B3, "0")], long("00")),
            (vec![(B3_SAMPLED, "d")], String::new()),
            (vec![(B3_SAMPLED, "")], String::new()),
            (vec![(B3_SAMPLED, "1"), (B3_SAMPLED, "1")], String::new()),
            (vec![(B3_TRACE_ID, TRACE)], String::new()),
        ] {
            let ids = [("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN)];
            let headers: Vec<_> = ids.into_iter().chain(headers).collect();
            assert_eq!(text(&extracted(&headers)), expected, "{headers:?}");
        }
        assert_eq!(text(&extracted([(B3_SAMPLED, "1")])), "");
        assert_eq!(text(&extracted([(B3_TRACE_ID, SPAN), (B3_SPAN_ID, SPAN), (B3_SAMPLED, "1")])), short);
    }

    #[test]
    fn a_decision_that_b3_defers_is_ours_until_a_span_has_made_it() {
        let parent = extracted([(B3, format!("{TRACE}-{SPAN}"))]);
        assert!(parent.is_deferred());
        assert!(!extracted([(B3, format!("{TRACE}-{SPAN}-0"))]).is_deferred());
        assert!(!Parent::none().is_deferred());
        // Passed on without a span of ours, it stays open.
        assert_eq!(
            injected(vec![Propagator::B3Single], parent.context()),
            pairs(&[(B3, &format!("{TRACE}-{SPAN}"))])
        );

        let child = SpanContext::new(
            TraceId::from_hex(TRACE).unwrap(),
            SpanId::from(1),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        let inside = parent.context().with_remote_span_context(child);
        assert!(!is_deferred(&inside));
        let expected = format!("{TRACE}-0000000000000001-1");
        assert_eq!(injected(vec![Propagator::B3Single], &inside), pairs(&[(B3, &expected)]));
    }
}

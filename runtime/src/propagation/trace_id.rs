//! The plain `X-Trace-Id` of services that have no tracing: a trace, and no span in it.
//!
//! It is read and never written. A span that starts a trace under it takes the id over as its own and stays a root: a
//! parent that nobody exported would leave the trace without a beginning.

use opentelemetry::Context;
use opentelemetry::trace::TraceId;

use super::Extract;
use super::header;

pub(super) const X_TRACE_ID: &str = "x-trace-id";

/// The trace that the next root is of. Kept beside the span context: samplers and other providers take a span context
/// without a span id for a parent that was not sampled.
struct Adopted(TraceId);

/// The trace id that a root under `cx` takes over.
#[inline]
pub(crate) fn adopted(cx: &Context) -> Option<TraceId> {
    cx.get::<Adopted>().map(|adopted| adopted.0)
}

/// `cx` with the trace that the header names.
pub(super) fn read(cx: &Context, carrier: &dyn Extract) -> Option<Context> {
    let text = header::one(carrier, X_TRACE_ID).ok()??;
    Some(cx.with_value(Adopted(trace_id(&text)?)))
}

/// 32 or 16 digits, or a UUID, with digits in upper or lower case: nothing says how it is written.
fn trace_id(text: &str) -> Option<TraceId> {
    const DASHES: [usize; 4] = [8, 13, 18, 23];

    let mut digits = text.to_ascii_lowercase();
    if digits.len() == 36 {
        let has_dashes = DASHES.iter().all(|&place| digits.as_bytes()[place] == b'-');
        digits = if has_dashes { digits.replace('-', "") } else { return None };
    }
    header::trace_id(&digits, 32).or_else(|| header::trace_id(&digits, 16))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::super::Propagator;
    use super::super::propagator::Propagators;
    use super::super::tests::{SPAN, TRACE, W3C, injected};
    use super::super::trace_context::TRACEPARENT;
    use super::*;

    fn read(value: &str) -> Context {
        Propagators::new(vec![Propagator::XTraceId]).read(&Context::new(), &[("X-Trace-Id", value)])
    }

    #[test]
    fn an_id_is_of_128_or_64_bits_with_or_without_the_dashes_of_a_uuid() {
        let uuid = "0af76519-16cd-43dd-8448-eb211c80319c";
        for (value, expected) in [
            (TRACE.to_owned(), TRACE.to_owned()),
            (TRACE.to_uppercase(), TRACE.to_owned()),
            (uuid.to_owned(), TRACE.to_owned()),
            (SPAN.to_owned(), format!("{SPAN:0>32}")),
        ] {
            let adopted = adopted(&read(&value)).map(|id| id.to_string());
            assert_eq!(adopted.as_deref(), Some(expected.as_str()), "{value}");
        }
        for value in [
            "",
            "0",
            "nonsense",
            &"0".repeat(32),
            &"0".repeat(16),
            &TRACE[1..],
            &format!("0{TRACE}"),
            &format!("+{}", &TRACE[1..]),
            &format!("{TRACE}\r\nx: y"),
            "0af7651-916cd-43dd-8448-eb211c80319c0",
            "0af76519-16cd-43dd-8448-eb211c80319-",
            "--------------------------------",
            "------------------------------------",
            "é0f76519-16cd-43dd-8448-eb211c80319",
            &"a".repeat(10_000),
        ] {
            assert_eq!(adopted(&read(value)), None, "{value}");
        }
        let twice = [("x-trace-id", TRACE), ("X-Trace-Id", TRACE)];
        let cx = Propagators::new(vec![Propagator::XTraceId]).read(&Context::new(), &twice);
        assert_eq!(adopted(&cx), None);
    }

    #[test]
    fn it_is_no_parent_and_is_not_written() {
        let cx = read(TRACE);
        assert!(!cx.has_active_span());
        for propagator in [Propagator::XTraceId, Propagator::TraceContext, Propagator::B3Multi] {
            assert_eq!(injected(vec![propagator], &cx), []);
        }
    }

    #[test]
    fn who_names_a_span_is_heard_before_it() {
        let headers = [("x-trace-id", SPAN), (TRACEPARENT, W3C)];
        for list in [
            vec![Propagator::XTraceId, Propagator::TraceContext],
            vec![Propagator::TraceContext, Propagator::XTraceId],
        ] {
            let cx = Propagators::new(list).read(&Context::new(), &headers);
            assert_eq!(cx.span().span_context().trace_id().to_string(), TRACE);
        }
    }
}

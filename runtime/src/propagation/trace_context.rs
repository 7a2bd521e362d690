//! W3C trace context: `traceparent` and `tracestate`, <https://www.w3.org/TR/trace-context/>.
//!
//! A `traceparent` that is not sound is no parent; a `tracestate` that is not is left out.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use super::header::{self, BLANKS, Written};
use super::{AsLink, Extract};

pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";

/// The span that the headers name.
pub(super) fn read(carrier: &dyn Extract) -> Option<SpanContext> {
    let (trace_id, span_id, flags) = parent(&header::one(carrier, TRACEPARENT).ok()??)?;
    let state = header::list(carrier, TRACESTATE).and_then(|text| state(&text)).unwrap_or_default();
    Some(SpanContext::new(trace_id, span_id, flags, true, state))
}

pub(super) fn write(cx: &Context, headers: &mut Written) {
    let span = cx.as_link();
    if !span.is_valid() {
        return;
    }
    let flags = span.trace_flags() & TraceFlags::SAMPLED;
    headers.put(TRACEPARENT, format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()));
    // `TraceState` itself lets a program put control characters in.
    let text = span.trace_state().header();
    if !text.is_empty() && state(&text).is_some() {
        headers.put(TRACESTATE, text);
    }
}

/// What a `traceparent` says.
pub(super) fn parent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    /// The length of version 00, and of the part that all later versions begin with.
    const LENGTH: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();
    /// The one flag whose meaning is known; the others must not be passed on.
    const KNOWN: u128 = 1;

    let (first, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = first.split('-');
    let version = header::hex(parts.next()?, 2).filter(|&version| version != 0xff)?;
    let trace_id = header::trace_id(parts.next()?, 32)?;
    let span_id = header::span_id(parts.next()?)?;
    let flags = header::hex(parts.next()?, 2)?;
    let ends = rest.is_empty() || version > 0 && rest.starts_with('-');
    let flags = if flags & KNOWN == KNOWN { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    ends.then_some((trace_id, span_id, flags))
}

/// What a `tracestate` says.
pub(super) fn state(text: &str) -> Option<TraceState> {
    const MAX_LENGTH: usize = 512;
    const MAX_MEMBERS: usize = 32;

    if text.len() > MAX_LENGTH {
        return None;
    }
    let mut members: Vec<(&str, &str)> = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches(BLANKS)) {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let sound = is_key(key) && is_value(value) && members.len() < MAX_MEMBERS;
        if !sound || members.iter().any(|(other, _)| *other == key) {
            return None;
        }
        members.push((key, value));
    }
    TraceState::from_key_value(members).ok()
}

fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.bytes().next().is_some_and(plain) && key.bytes().all(|byte| plain(byte) || b"_-*/@".contains(&byte))
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SPAN, TRACE, W3C, extracted, text};
    use super::*;

    #[test]
    fn a_traceparent_is_what_w3c_says_or_nothing() {
        let sound = format!("{TRACE}-{SPAN}-01");
        let unsampled = format!("{TRACE}-{SPAN}-00");
        for (value, expected) in [
            (W3C.to_owned(), &sound),
            (format!(" \t{W3C} "), &sound),
            (format!("00-{TRACE}-{SPAN}-00"), &unsampled),
            (format!("00-{TRACE}-{SPAN}-02"), &unsampled),
            (format!("00-{TRACE}-{SPAN}-ff"), &sound),
            (format!("01-{TRACE}-{SPAN}-01"), &sound),
            (format!("fe-{TRACE}-{SPAN}-01-what-the-future-brings"), &sound),
            (format!("cc-{TRACE}-{SPAN}-01-"), &sound),
        ] {
            assert_eq!(&text(&extracted([(TRACEPARENT, &value)])), expected, "{value:?}");
        }
        for value in [
            String::new(),
            "-".into(),
            "---".into(),
            "00".into(),
            "🦀".into(),
            "é".repeat(28),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0100"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("0-{TRACE}-{SPAN}-011"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("0A-{TRACE}-{SPAN}-01"),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-+{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("+0-{TRACE}-{SPAN}-01"),
            format!("00-{}g-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}-01\r\nx: y"),
            format!("00-{TRACE}-{SPAN}-01\0"),
            format!("{W3C},{W3C}"),
            format!("01-{TRACE}-{SPAN}-01-{}", "a".repeat(8192)),
        ] {
            assert_eq!(text(&extracted([(TRACEPARENT, &value)])), "", "{value:?}");
        }
    }

    #[test]
    fn a_tracestate_is_what_w3c_says_or_dropped_with_the_parent_kept() {
        let most: Vec<_> = (0..32).map(|n| format!("k{n}=v")).collect();
        let longest = format!("a={},b={}", "x".repeat(256), "y".repeat(251));
        assert_eq!(longest.len(), 512);
        for (value, expected) in [
            ("", ""),
            ("a=1", "a=1"),
            (" a=1 ,\tb=2 ,, ", "a=1,b=2"),
            ("a= 1 2", "a= 1 2"),
            ("0/_-*@a=~!", "0/_-*@a=~!"),
            ("tenant@system=1", "tenant@system=1"),
            (&most.join(","), &most.join(",")),
            (&longest, &longest),
            // From here on: dropped.
            ("a", ""),
            ("=", ""),
            ("=1", ""),
            ("a=", ""),
            ("a=1=2", ""),
            ("a==2", ""),
            ("a =1", ""),
            ("A=1", ""),
            ("_a=1", ""),
            ("a=1,a=2", ""),
            ("a=1,b", ""),
            ("a=1\tb=2", ""),
            ("a=é", ""),
            ("a=1\r\nx: y", ""),
            ("a=\u{1}", ""),
            ("a=\u{7f}", ""),
            (&format!("{},one=more", most.join(",")), ""),
            (&format!("a={}", "x".repeat(257)), ""),
            (&format!("{}=x", "a".repeat(257)), ""),
            (&format!("{longest}z"), ""),
        ] {
            let parent = extracted([(TRACEPARENT, W3C), (TRACESTATE, value)]);
            assert!(parent.is_valid(), "{value:?}");
            assert_eq!(parent.span_context().trace_state().header(), expected, "{value:?}");
        }
    }
}

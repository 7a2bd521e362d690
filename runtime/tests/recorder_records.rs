//! What was recorded is what comes out: texts of every length, failures with and without causes, records across the end of a
//! ring, limits and set-ups that change between calls.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::error::Error;
use std::fmt;
use std::thread;

use opentelemetry_sdk::trace::{SpanData, SpanLimits};
use traced::opentelemetry::trace::Status;
use traced::opentelemetry::{Array, Value};
use traced::{Attribute, traced};

mod exporters;

use exporters::{Keeps, LONG, attribute, exported_by, turn};

#[derive(Debug)]
struct Declined(String, Option<Box<Declined>>);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Declined {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

#[traced(attr(a, b))]
fn fails(a: i64, b: &str, error: Declined) -> Result<(), Declined> {
    Err(error)
}

fn limited(attributes: u32) -> SpanLimits {
    SpanLimits { max_attributes_per_span: attributes, ..SpanLimits::default() }
}

/// The attributes that were asked for.
fn keys(span: &SpanData) -> Vec<&str> {
    let keys = span.attributes.iter().map(|attribute| attribute.key.as_str());
    keys.filter(|key| !key.starts_with("code.")).collect()
}

/// Texts of so many bytes at most, of characters of one, three and four bytes that end at every place.
fn texts(bytes: usize) -> Vec<String> {
    let filled = |begin: usize, with: char| {
        let mut text = "y".repeat(begin.min(bytes));
        while text.len() + with.len_utf8() <= bytes {
            text.push(with);
        }
        text
    };
    (0..4)
        .map(|begin| filled(begin, '𝄞'))
        .chain((0..3).map(|begin| filled(begin, '€')))
        .chain([filled(0, 'x')])
        .collect()
}

#[test]
fn a_failure_says_all_of_its_message_and_its_cause() {
    let lengths = [0, 1, 34, 35, 36, 37, 97, 98, 99, 100, 161, 162, 1023, 1024, 1025, 16_384, 16_385];
    let texts: Vec<_> = lengths.into_iter().flat_map(texts).collect();
    let failures: Vec<_> =
        texts.iter().flat_map(|text| [None, Some(""), Some("ü€𝄞cause")].map(|cause| (text, cause))).collect();
    for most in [128, 0, 1, 2, 3] {
        let set_up = |builder: traced::Builder| {
            builder.max_value_bytes(1 << 20).buffer(256 << 20).limits(limited(most))
        };
        let (_, spans) = exported_by(set_up, || {
            for (text, cause) in &failures {
                let cause = cause.map(|cause| Box::new(Declined(cause.to_owned(), None)));
                let _ = fails(1, "b", Declined((*text).clone(), cause));
            }
        });
        assert_eq!(spans.0.len(), failures.len());
        for ((text, cause), span) in failures.iter().zip(&spans.0) {
            let [event] = &span.events.events[..] else { panic!("{:?}", span.events) };
            let said = |key: &str| {
                let of_key = event.attributes.iter().find(|attribute| attribute.key.as_str() == key);
                of_key.map(|attribute| attribute.value.to_string())
            };
            assert_eq!(span.status, Status::error((*text).clone()));
            assert_eq!(said("exception.message").as_ref(), Some(*text));
            let chain = cause.map(|cause| format!("{text}\ncaused by: {cause}"));
            assert_eq!(said("exception.stacktrace"), chain);
            assert!((span.start_time..=span.end_time).contains(&event.timestamp));
            assert_eq!(keys(span), ["a", "b", "error.type"][..3.min(most as usize)]);
            assert_eq!(span.dropped_attributes_count, 3_u32.saturating_sub(most));
        }
    }
}

#[test]
fn records_of_every_size_cross_the_end_of_a_ring() {
    #[traced(attr(n, text, list))]
    fn beside(n: i64, text: &str, list: &Vec<i64>) {}
    #[traced(attr(n, text))]
    fn in_line(n: i64, text: &str) {}
    const CALLS: i64 = 10_000;
    let text = |n: i64| match n % 5 {
        2 => "z".repeat(1000 + n as usize % 60),
        _ => "ä".repeat(n as usize * 7 % 120),
    };
    let list = |n: i64| vec![n; n as usize % 3 + 1];
    let _turn = turn();
    let keeps = Keeps::default();
    let tracing = traced::builder("rings").exporter(keeps.clone()).install().unwrap();
    for n in 0..CALLS {
        match n % 5 {
            0 => beside(n, &text(n), &list(n)),
            1 => drop(fails(n, "b", Declined(text(n), None))),
            _ => in_line(n, &text(n)),
        }
        // The ring stays small, and its end comes at another place of a record each time.
        if n % 37 == 0 {
            tracing.flush().unwrap();
        }
    }
    assert_eq!(tracing.flush(), Ok(()));
    assert_eq!(tracing.stats().dropped.total(), 0);
    let spans = keeps.spans().0;
    assert_eq!(spans.len(), CALLS as usize);
    for (n, span) in (0..CALLS).zip(&spans) {
        let said = |key: &str| attribute(span, key).map(ToString::to_string);
        if n % 5 == 1 {
            assert_eq!((said("a"), &span.status), (Some(n.to_string()), &Status::error(text(n))));
        } else {
            assert_eq!((said("n"), said("text")), (Some(n.to_string()), Some(text(n))));
        }
        if n % 5 == 0 {
            assert_eq!(attribute(span, "list"), Some(&Value::Array(Array::I64(list(n)))));
        }
    }
}

#[test]
fn calls_that_are_used_again_have_the_limits_of_their_set_up() {
    #[traced(attr(a, b, c))]
    fn three(a: i64, b: i64, c: i64) {}
    let captured = || {
        let ((), trace) = traced::testing::capture(|| three(1, 2, 3));
        assert_eq!(keys(trace.span("three").data()), ["a", "b", "c"], "a capture sees what was recorded");
    };
    let _turn = turn();
    for (most, placed) in [(2, true), (128, false), (1, false), (128, true)] {
        captured();
        let keeps = Keeps::default();
        let builder = traced::builder("limits").limits(limited(most)).code_attributes(placed);
        let tracing = builder.exporter(keeps.clone()).install().unwrap();
        three(1, 2, 3);
        captured();
        three(1, 2, 3);
        thread::spawn(|| three(1, 2, 3)).join().unwrap();
        assert_eq!(tracing.flush(), Ok(()));
        let spans = keeps.spans().0;
        assert_eq!(spans.len(), 3);
        for span in &spans {
            assert_eq!(keys(span), ["a", "b", "c"][..3.min(most as usize)]);
            assert_eq!(attribute(span, "code.line.number").is_some(), placed);
        }
        tracing.shutdown(LONG).unwrap();
    }
}

#[test]
fn an_integer_is_never_cut_to_another_one() {
    struct Own;
    impl Attribute for Own {
        fn value(&self) -> Option<Value> {
            Some("0123456789abcdef".into())
        }
    }
    #[traced(attr(big, own, text))]
    fn captures(big: u64, own: Own, text: &str) {}

    let (_, spans) =
        exported_by(|builder| builder.max_value_bytes(10), || captures(u64::MAX, Own, "0123456789abcdef"));
    let span = spans.one("captures");
    assert_eq!(attribute(span, "big"), u64::MAX.value().as_ref());
    assert_eq!(attribute(span, "own"), Own.value().as_ref(), "who makes a value has given it its length");
    assert_eq!(attribute(span, "text"), Some(&Value::from("0123456789")));
}

#[test]
fn a_span_that_no_ring_holds_is_counted_whatever_came_before() {
    #[traced]
    fn large(attributes: i64) {
        (0..attributes).for_each(|n| traced::set!(n));
    }
    for before in [0, 20_000] {
        let _turn = turn();
        let tracing = traced::builder("large")
            .buffer(1 << 30)
            .limits(limited(u32::MAX))
            .exporter(Keeps::default())
            .install()
            .unwrap();
        // On a thread that has the smallest ring yet.
        let of_thread = || {
            large(before);
            tracing.flush().unwrap();
            large(200_000);
            large(100_000);
            tracing.flush().unwrap();
        };
        thread::scope(|scope| scope.spawn(of_thread).join().unwrap());
        let stats = tracing.stats();
        tracing.shutdown(LONG).unwrap();
        assert_eq!((stats.dropped.queue_full, stats.exported), (1, 2), "{stats:?}");
    }
}

//! Events of `tracing`, recorded in the spans in which they happen.
#![cfg(feature = "tracing")]
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::fmt;

use exporters::exported_by;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use traced::logs::Events;
use traced::opentelemetry::Context;
use traced::testing::{Trace, capture};
use traced::traced;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

fn recorded(events: Events, run: impl FnOnce()) -> Trace {
    let subscriber = tracing_subscriber::registry().with(events);
    capture(|| tracing::subscriber::with_default(subscriber, run)).1
}

#[derive(Debug)]
struct Declined(Option<Box<Declined>>);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "cannot charge" } else { "card declined" })
    }
}

impl std::error::Error for Declined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|source| source as _)
    }
}

#[traced]
fn charge() {
    let error = Declined(Some(Box::new(Declined(None))));
    tracing::warn!(
        target: "shop",
        amount = 7,
        share = 0.5,
        large = u64::MAX,
        express = true,
        currency = "EUR",
        place = %"a \"b\"",
        path = ?"a \"b\"",
        error = &error as &dyn std::error::Error,
        "charged {} times",
        2
    );
}

#[test]
fn an_event_is_recorded_with_its_message_and_its_fields_by_their_types() {
    let trace = recorded(Events::new(), charge);
    assert_eq!(
        trace.to_string(),
        r#"charge
    • charged 2 times
        level: str = "WARN"
        target: str = "shop"
        amount: i64 = 7
        share: f64 = 0.5
        large: str = "18446744073709551615"
        express: bool = true
        currency: str = "EUR"
        place: str = "a \"b\""
        path: str = "\"a \\\"b\\\"\""
        error: str = "cannot charge\ncaused by: card declined"
"#
    );
}

#[test]
fn levels_are_chosen() {
    let run = || {
        traced::span!("step").run(|| {
            tracing::error!("error");
            tracing::info!("info");
            tracing::debug!("debug");
            tracing::trace!("trace");
        })
    };
    for (events, expected) in [
        (Events::new(), vec!["error", "info"]),
        (Events::default().level(tracing::Level::DEBUG), vec!["error", "info", "debug"]),
        (Events::new().level(LevelFilter::ERROR), vec!["error"]),
        (Events::new().level(LevelFilter::OFF), vec![]),
    ] {
        let trace = recorded(events, run);
        let names = ["error", "info", "debug", "trace"];
        let found: Vec<_> = names.into_iter().filter(|name| trace.span("step").has_event(name)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_innermost_span_has_the_event_also_where_it_is_a_leaf() {
    #[traced(leaf)]
    fn leaf() {
        tracing::info!("inside");
    }
    let trace = recorded(Events::new(), || traced::span!("outer").run(leaf));
    assert!(trace.span("leaf").has_event("inside") && !trace.span("outer").has_event("inside"));
}

#[test]
fn an_event_without_a_message_has_the_name_that_tracing_gives_it() {
    let trace = recorded(Events::new(), || {
        traced::span!("step").run(|| tracing::info!(name: "order.placed", items = 3))
    });
    assert_eq!(trace.span("step").event("order.placed").attribute("items"), 3);
}

#[test]
fn what_opentelemetry_says_of_itself_and_what_is_suppressed_is_left_out() {
    let trace = recorded(Events::new(), || {
        tracing::info!("outside of any span");
        traced::span!("step").run(|| {
            tracing::info!(target: "opentelemetry_sdk", "BatchSpanProcessor.Dropped");
            let _quiet = Context::enter_telemetry_suppressed_scope();
            tracing::info!("while suppressed");
        })
    });
    assert_eq!(trace.to_string(), "step\n");
}

#[test]
fn a_record_of_log_that_came_over_is_an_event_of_its_own_target() {
    let _ = tracing_subscriber::registry();
    let trace = recorded(Events::new(), || {
        traced::span!("step").run(|| {
            let record = log::Record::builder()
                .args(format_args!("from afar"))
                .level(log::Level::Info)
                .target("other::crate")
                .module_path_static(Some("other"))
                .file_static(Some("other.rs"))
                .line(Some(7))
                .build();
            tracing_log::format_trace(&record).unwrap();
        })
    });
    assert_eq!(
        trace.to_string(),
        "step\n    • from afar\n        level: str = \"INFO\"\n        target: str = \"other::crate\"\n"
    );
}

#[test]
fn events_are_bounded_and_cost_nothing_where_nothing_records() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("a Debug's bug");
        }
    }

    let limits = SpanLimits { max_events_per_span: 10, max_attributes_per_event: 3, ..SpanLimits::default() };
    let subscriber = || tracing_subscriber::registry().with(Events::new());
    let ((), spans) = exported_by(
        |builder| builder.limits(limits).max_value_bytes(50),
        || {
            tracing::subscriber::with_default(subscriber(), || {
                traced::span!("busy").run(|| {
                    for n in 0..100 {
                        tracing::info!(n, long = "x".repeat(10_000), other = ?Panics, "{}", "y".repeat(10_000));
                    }
                })
            })
        },
    );
    let busy = spans.one("busy");
    assert_eq!((busy.events.len(), busy.events.dropped_count), (10, 90));
    for event in busy.events.iter() {
        assert_eq!((event.name.len(), event.attributes.len(), event.dropped_attributes_count), (50, 3, 2));
    }

    let ((), spans) = exported_by(
        |builder| builder.sampler(Sampler::AlwaysOff),
        || {
            tracing::subscriber::with_default(subscriber(), || {
                traced::span!("unsampled").run(|| tracing::info!(never = ?Panics, "looked at"));
            })
        },
    );
    assert_eq!(spans.0.len(), 0);
}

//! Hooks of the program's: they see every span start that is recorded, add attributes, and do no harm.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use exporters::{exported_by, turn};
use opentelemetry_sdk::trace::{Sampler, SpanLimits};
use traced::opentelemetry::baggage::BaggageExt;
use traced::opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use traced::opentelemetry::{Context, KeyValue, Value, global};
use traced::{Processor, Starting, traced};

/// Does what it is told.
struct Does<F>(F);

impl<F: Fn(&mut Starting<'_>) + Send + Sync + 'static> Processor for Does<F> {
    fn on_start(&self, span: &mut Starting<'_>) {
        (self.0)(span);
    }
}

/// A hook of a closure, whose type needs a hand.
fn does<F: Fn(&mut Starting<'_>) + Send + Sync + 'static>(f: F) -> Does<F> {
    Does(f)
}

#[traced(kind = server, attr(order = 7))]
fn checkout() {
    price();
    traced::span!("step").run(|| ());
    global::tracer("other").in_span("by other code", |_| price());
}

#[traced(leaf)]
fn price() {}

#[traced(attr(id))]
async fn load(id: i64) -> Result<i64, String> {
    Err(format!("nobody has {id}"))
}

#[test]
fn every_kind_of_span_is_seen_at_its_start_and_gets_what_the_hook_sets() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let hook = does(move |span| {
        let parent = span.parent().span().span_context().span_id();
        let (name, kind) = (span.name().to_owned(), span.kind().clone());
        let scope = span.scope().name().to_owned();
        seeing.lock().unwrap().push((name, kind, scope, parent, span.span_context().clone()));
        span.set("region", "eu-1");
        span.set("nothing", None::<i64>);
    });
    let ((), spans) = exported_by(
        |builder| builder.processor(hook),
        || {
            checkout();
            let _ = futures_executor(load(3));
        },
    );
    let seen = seen.lock().unwrap().clone();
    let names: Vec<_> =
        seen.iter().map(|(name, kind, scope, ..)| (name.as_str(), kind, scope.as_str())).collect();
    let internal = &SpanKind::Internal;
    assert_eq!(
        names,
        [
            ("checkout", &SpanKind::Server, "traced"),
            ("price", internal, "traced"),
            ("step", internal, "traced"),
            ("by other code", internal, "other"),
            ("price", internal, "traced"),
            ("load", internal, "traced"),
        ]
    );
    assert_eq!(spans.0.len(), seen.len());
    for (name, _, _, parent, context) in &seen {
        let span = spans.0.iter().find(|span| span.span_context.span_id() == context.span_id()).unwrap();
        assert_eq!((span.name.as_ref(), &span.span_context), (name.as_str(), context));
        assert_eq!(span.parent_span_id, *parent, "{name}");
        let regions = span.attributes.iter().filter(|attribute| attribute.key.as_str() == "region");
        assert_eq!(
            regions.map(|attribute| &attribute.value).collect::<Vec<_>>(),
            [&Value::from("eu-1")],
            "{name}"
        );
        assert!(span.attributes.iter().all(|attribute| attribute.key.as_str() != "nothing"));
    }
}

/// Drives a future that does not wait for anything.
fn futures_executor<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn hooks_are_asked_in_order_and_see_what_is_known_by_then() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&seen);
    let note = does(move |span| {
        let keys = span.attributes().iter().map(|attribute| attribute.key.to_string()).collect::<Vec<_>>();
        seeing.lock().unwrap().push(keys.join(","));
    });
    exported_by(
        |builder| builder.processor(does(|span| span.set("first", 1))).processor(note),
        || {
            checkout();
            let tracer = global::tracer("other");
            drop(tracer.span_builder("given").with_attributes([KeyValue::new("given", 1)]).start(&tracer));
        },
    );
    assert_eq!(seen.lock().unwrap().as_slice(), ["first", "first", "first", "first", "first", "given,first"]);
}

#[test]
fn a_hook_that_panics_harms_neither_the_call_nor_the_other_hooks() {
    let ((), spans) = exported_by(
        |builder| {
            builder
                .processor(does(|span| {
                    span.set("before", true);
                    panic!("a hook's bug");
                }))
                .processor(does(|span| span.set("after", true)))
        },
        || {
            checkout();
            // A panic of the function's own is still told as what it is.
            let _ = catch_unwind(AssertUnwindSafe(|| traced::span!("fails").run(|| panic!("its own"))));
        },
    );
    assert_eq!(spans.0.len(), 6);
    for span in &spans.0 {
        for key in ["before", "after"] {
            assert!(span.attributes.iter().any(|attribute| attribute.key.as_str() == key), "{}", span.name);
        }
    }
    let fails = spans.0.iter().find(|span| span.name == "fails").unwrap();
    assert_eq!(format!("{:?}", fails.status), "Error { description: \"its own\" }");
    let others = spans.0.iter().filter(|span| span.name != "fails");
    assert!(others.into_iter().all(|span| span.events.is_empty()));
}

#[test]
fn what_a_hook_calls_is_not_traced() {
    let ((), spans) = exported_by(
        |builder| {
            builder.processor(does(|span| {
                price();
                let _step = traced::span!("in the hook").enter();
                global::tracer("hook").in_span("by other code in the hook", |_| ());
                traced::event!("nowhere");
                span.set("seen", traced::current().context().span().is_recording());
            }))
        },
        || {
            traced::span!("outer").run(price);
            Context::map_current(|_| price());
        },
    );
    let names: Vec<_> = spans.0.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names.iter().filter(|name| **name == "price").count(), 2);
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_hook_sees_no_span_that_is_not_recorded_and_no_capture() {
    let count = Arc::new(Mutex::new(0));
    let counting = Arc::clone(&count);
    let ((), spans) = exported_by(
        |builder| {
            builder.sampler(Sampler::AlwaysOff).processor(does(move |_| *counting.lock().unwrap() += 1))
        },
        || {
            checkout();
            let ((), trace) = traced::testing::capture(checkout);
            assert_eq!(trace.len(), 5);
        },
    );
    assert_eq!((spans.0.len(), *count.lock().unwrap()), (0, 0));
}

#[test]
fn a_hook_sets_no_more_attributes_than_the_limits_have() {
    let limits = SpanLimits { max_attributes_per_span: 3, ..SpanLimits::default() };
    let ((), spans) = exported_by(
        |builder| {
            builder.limits(limits).code_attributes(false).processor(does(|span| {
                for n in 0..10_i64 {
                    span.set(format!("key.{n}"), "x".repeat(10_000));
                }
            }))
        },
        checkout,
    );
    for span in &spans.0 {
        assert_eq!(span.attributes.len(), 3, "{}", span.name);
        assert!(span.dropped_attributes_count >= 7);
        assert!(span.attributes.iter().all(|attribute| attribute.value.as_str().len() == 4096));
    }
}

#[test]
fn hooks_go_with_their_set_up() {
    let _turn = turn();
    let hook = Arc::new(());
    let held = Arc::clone(&hook);
    let keeps = exporters::Keeps::default();
    let tracing = traced::builder("test")
        .exporter(keeps.clone())
        .processor(does(move |_| drop(Arc::clone(&held))))
        .install()
        .unwrap();
    price();
    tracing.shutdown(exporters::LONG).unwrap();
    drop(tracing);
    let _tracing = traced::builder("next").exporter(keeps).install().unwrap();
    // A thread knows its set-up until it sees another; those of the set-up itself end by themselves.
    price();
    assert!(exporters::soon(|| Arc::strong_count(&hook) == 1), "somebody holds on to it");
}

#[test]
fn the_parents_baggage_is_at_hand() {
    let ((), spans) = exported_by(
        |builder| {
            builder.processor(does(|span| {
                let tenant = span.parent().baggage().get("tenant").map(|value| value.as_str().to_owned());
                span.set("tenant", tenant);
            }))
        },
        || {
            let _current = Context::current_with_baggage([KeyValue::new("tenant", "blue")]).attach();
            checkout();
        },
    );
    assert_eq!(spans.0.len(), 5);
    for span in &spans.0 {
        let tenant = span.attributes.iter().find(|attribute| attribute.key.as_str() == "tenant").unwrap();
        assert_eq!(tenant.value.as_str(), "blue");
    }
}

//! The last traces in memory: what is found, what is let go, and that it stays within its bounds.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

mod exporters;

use std::time::{Duration, SystemTime};

use exporters::{LONG, exported_by, turn};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use traced::memory::{Memory, Query, Trace};
use traced::opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use traced::opentelemetry::{InstrumentationScope, KeyValue};
use traced::traced;

#[traced(kind = server, attr(order, express = order > 5))]
fn checkout(order: u64) -> Result<(), String> {
    price(order);
    pay(order)
}

#[traced(attr(weights = [order, 2]))]
fn price(order: u64) {}

#[traced(attr(order))]
fn pay(order: u64) -> Result<(), String> {
    if order == 9 { Err("card declined".to_owned()) } else { Ok(()) }
}

#[traced]
fn sweep() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A shop's day in memory.
fn a_day() -> Memory {
    let memory = Memory::new();
    let keeps = memory.clone();
    exported_by(
        move |builder| builder.exporter(keeps),
        || {
            checkout(7).unwrap();
            checkout(9).unwrap_err();
            sweep();
        },
    );
    memory
}

fn found(memory: &Memory, query: &Query) -> Vec<String> {
    memory
        .search(query)
        .iter()
        .map(|summary| format!("{} {}/{}", summary.root, summary.errors, summary.spans))
        .collect()
}

#[test]
fn each_thing_that_is_asked_narrows_what_is_found() {
    let memory = a_day();
    let all = ["sweep 0/1", "checkout 2/3", "checkout 0/3"];
    for (query, expected) in [
        ("", &all[..]),
        ("limit=2", &all[..2]),
        ("limit=0", &[]),
        ("service=test", &all[..]),
        ("service=tes", &[]),
        ("operation=price", &all[1..]),
        ("operation=sweep", &all[..1]),
        ("tag=order:7", &all[2..]),
        ("tag=express:true", &all[1..]),
        ("tag=weights:[9,2]", &all[1..2]),
        ("tag=order:7&tag=order:9", &[]),
        ("operation=pay&tag=order:9", &all[1..2]),
        ("operation=price&tag=order:9", &[]),
        ("error=true", &all[1..2]),
        ("error=false", &all[..]),
        ("minDuration=20ms", &all[..1]),
        ("maxDuration=19ms&operation=sweep", &[]),
        ("minDuration=1h", &[]),
        ("service=test&error=true&operation=checkout&tag=order:9&maxDuration=1h", &all[1..2]),
    ] {
        assert_eq!(found(&memory, &query.parse().unwrap()), expected, "{query}");
    }
}

#[test]
fn a_trace_has_its_shape_and_prints() {
    let memory = a_day();
    let summary = memory.search(&Query::new().errors()).remove(0);
    assert_eq!((summary.service.as_str(), summary.is_rooted, summary.missing), ("test", true, 0));
    assert!(summary.start <= SystemTime::now() && summary.duration > Duration::ZERO);
    let trace = memory.trace(summary.id).unwrap();
    let roots: Vec<_> = trace.roots().collect();
    let below: Vec<_> = trace.children(roots[0]).map(|span| span.name.to_string()).collect();
    assert_eq!((roots.len(), below), (1, vec!["price".to_owned(), "pay".to_owned()]));
    let drawn = trace.to_string();
    assert!(drawn.contains("└─ ✗ pay") && drawn.contains("card declined"), "{drawn}");
    assert_eq!(memory.trace(TraceId::from(1)).map(|trace| trace.id()), None);
}

#[test]
fn what_is_kept_outlives_the_set_up_and_the_next_one_adds_to_it() {
    let memory = a_day();
    let (next, _turn) = (memory.clone(), turn());
    let tracing = traced::builder("other").exporter(next).install().unwrap();
    sweep();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let services: Vec<_> = memory.recent(9).into_iter().map(|summary| summary.service).collect();
    assert_eq!(services, ["other", "test", "test", "test"]);
    assert_eq!(memory.search(&Query::new().service("other")).len(), 1);
}

/// A span that no clock and no recorder made.
fn span(trace: u128, id: u64, parent: u64) -> SpanData {
    let context = |id| {
        SpanContext::new(TraceId::from(trace), SpanId::from(id), TraceFlags::SAMPLED, false, TraceState::NONE)
    };
    SpanData {
        span_context: context(id),
        parent_span_id: SpanId::from(parent),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: format!("{id}").into(),
        start_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(id),
        end_time: SystemTime::UNIX_EPOCH + Duration::from_nanos(id + 10),
        attributes: vec![KeyValue::new("text", "x".repeat(1_000))],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn export(memory: &Memory, spans: Vec<SpanData>) {
    at_once(SpanExporter::export(memory, spans));
}

fn at_once(export: impl Future<Output = opentelemetry_sdk::error::OTelSdkResult>) {
    futures_util::FutureExt::now_or_never(export).expect("it waits for nobody").unwrap();
}

#[test]
fn spans_that_come_late_join_their_trace() {
    let memory = Memory::new();
    export(&memory, vec![span(1, 2, 1), span(2, 1, 0)]);
    assert!(!memory.trace(TraceId::from(1)).unwrap().summary().is_rooted);
    export(&memory, vec![span(1, 1, 0)]);
    let summary = memory.trace(TraceId::from(1)).unwrap().summary();
    assert_eq!((summary.root.as_str(), summary.spans, summary.is_rooted), ("1", 2, true));
    assert_eq!(memory.recent(9).len(), 2);
}

#[test]
fn ten_thousand_small_traces_and_a_giant_take_no_more_than_is_said() {
    const BYTES: usize = 4 << 20;
    let memory = Memory::new().bytes(BYTES).traces(5_000);
    let measured = allocation_counter::measure(|| {
        for trace in 2..10_002 {
            export(&memory, vec![span(trace, 1, 0)]);
        }
        for id in 2..10_002 {
            export(&memory, vec![span(1, id, 1)]);
        }
        export(&memory, vec![span(1, 1, 0)]);
    });
    let contents = memory.kept();
    assert!(contents.bytes <= BYTES && contents.bytes > BYTES * 9 / 10, "{contents:?}");
    let taken = usize::try_from(measured.bytes_current).unwrap();
    // Beside what is counted there are the tables, which have room for some more.
    assert!(taken < BYTES * 3 / 2, "{taken} for {contents:?}");

    let giant = memory.trace(TraceId::from(1)).unwrap();
    assert_eq!(giant.summary().root, "1");
    assert_eq!(giant.spans().count() as u64 + giant.missing(), 10_001);
    assert!(giant.to_string().contains("more spans are not kept"));
    let small = contents.traces as u64 - 1 + contents.gone_traces;
    assert_eq!((small, contents.cut_spans), (10_000, giant.missing()));
    assert_eq!(contents.spans as u64 + contents.gone_spans + contents.cut_spans, 20_001);
}

#[test]
fn parents_in_a_circle_and_ids_that_are_there_twice_do_no_harm() {
    let memory = Memory::new();
    export(&memory, vec![span(1, 1, 1), span(2, 1, 2), span(2, 2, 1), span(3, 1, 0), span(3, 1, 0)]);
    let circles = |trace: &Trace| trace.roots().count();
    let traces: Vec<_> = memory.find(&Query::new()).iter().map(circles).collect();
    assert_eq!(traces, [2, 0, 0]);
    assert!(memory.find(&Query::new()).iter().all(|trace| !trace.to_string().is_empty()));
}

#[test]
fn many_may_ask_while_many_write() {
    let memory = Memory::new().traces(50);
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let mut memory = memory.clone();
            scope.spawn(move || {
                memory
                    .set_resource(&Resource::builder_empty().with_service_name(format!("{writer}")).build());
                for number in 0..2_000 {
                    export(&memory, vec![span(u128::from(writer * 2_000 + number) + 1, 1, 0)]);
                }
            });
        }
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..500_u32 {
                    let query =
                        Query::new().service(format!("{}", number % 4)).attribute("text", "x").limit(5);
                    assert!(memory.find(&query).is_empty());
                    assert!(memory.recent(5).len() <= 5);
                }
            });
        }
    });
    let contents = memory.kept();
    assert_eq!((contents.traces, contents.gone_traces), (50, 7_950));
}

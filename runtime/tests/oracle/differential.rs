//! Random programs leave the same spans on our recorder as on the SDK's: in a capture, and through the rings.
//!
//! Compared is everything but ids and times. Marks write to their span in every way there is, which the oracle knows
//! nothing of. `TRACED_ORACLE_SEED` and `TRACED_ORACLE_COUNT` mean what they do there.
//!
//! One difference is meant: where a function stands comes behind all its attributes with ours, and behind those
//! of its entry with the SDK, which writes to a span while the call goes on. So it is compared apart.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use opentelemetry::trace::{Event, SpanId, Status, TraceContextExt, get_active_span};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use traced::opentelemetry;
use traced::testing::{Trace, capture, capture_by_sdk};

use super::exporters::{Keeps, LONG};
use super::{
    CancelBy, Generator, Id, Oops, Prediction, Program, Step, World, error_of, hush, number, predict, remote,
};

/// Writes to the span of a call as foreign code does, as ours does, and from elsewhere.
pub(super) fn scribble(w: &World, id: Id) {
    let in_leaf = w.program.nodes[id].in_leaf;
    let number = i64::try_from(id).expect("programs are small");
    match id % 11 {
        0 => {
            traced::set!(even = id.is_multiple_of(2), half = 0.5, number, list = [1, 2], fixed = "a literal");
        }
        1 => traced::set!(shown = %error_of(id), debugged = ?Some(id), text = error_of(id), number = "again"),
        2 => traced::event!("several", number, half = 0.5, text = error_of(id), list = ["a", "b"]),
        3 => traced::current().error(&Oops(error_of(id))),
        4 => traced::current().link(remote(id)),
        5 => {
            let span = traced::current();
            thread::spawn(move || span.set("from", "another thread")).join().expect("no panic");
        }
        // Foreign code sees the span outside a leaf.
        _ if in_leaf => {}
        6 => get_active_span(|span| {
            span.set_attribute(KeyValue::new("number", number));
            span.set_attributes([
                KeyValue::new("half", 0.5),
                KeyValue::new("list", Value::Array(vec![true].into())),
            ]);
        }),
        7 => get_active_span(|span| {
            span.add_event("foreign", vec![KeyValue::new("number", number), KeyValue::new("even", true)]);
            span.add_link(remote(id), vec![KeyValue::new("number", number)]);
        }),
        8 => get_active_span(|span| span.set_status(Status::error(error_of(id)))),
        9 => get_active_span(|span| span.update_name("renamed")),
        _ => {
            let cx = Context::current();
            let write = move || {
                cx.span().set_status(Status::Ok);
                cx.span().set_attribute(KeyValue::new("from", "another thread"));
                // Only who made a span ends it.
                cx.span().add_event("foreign", Vec::new());
            };
            thread::spawn(write).join().expect("no panic");
        }
    }
}

/// How two traces of the same program may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// One thing after the other.
    Fixed,
    /// Calls stand side by side; some of them write to the same span.
    Free,
}

fn world(seed: u64) -> (World, Order) {
    let nodes = Generator::program(seed);
    let Prediction { reports, .. } = predict(&nodes);
    let is_free = |step: &Step| {
        matches!(
            step,
            Step::Join(..)
                | Step::Spawn(..)
                | Step::Set(..)
                | Step::Burst(..)
                | Step::Detach(_)
                | Step::Held(_)
                // Whose drop waits for no task.
                | Step::Cancel(CancelBy::Set, _)
        )
    };
    let order =
        if nodes.iter().any(|node| node.steps.iter().any(is_free)) { Order::Free } else { Order::Fixed };
    (World::of(Program { scribbles: true, ..Program::new(nodes, reports) }), order)
}

async fn captured(seed: u64) -> Described {
    let (world, order) = world(seed);
    let (_, trace) =
        if world.is_sync() { capture(|| world.begin()) } else { capture(world.clone().run()).await };
    Described::trace(&trace, order)
}

async fn captured_by_sdk(seed: u64) -> (Described, Described) {
    let (world, order) = world(seed);
    let (_, trace) = if world.is_sync() {
        capture_by_sdk(|| world.begin())
    } else {
        capture_by_sdk(world.clone().run()).await
    };
    let spans: Vec<_> = trace.spans().map(|span| span.data().clone()).collect();
    (Described::trace(&trace, order), Described::exported(&spans, order))
}

/// The spans of a program as text, each by its node.
#[derive(Debug, Default, PartialEq, Eq)]
struct Described {
    spans: BTreeMap<String, String>,
    /// The nodes in the order they began, if that is fixed.
    begun: Vec<String>,
}

impl Described {
    fn trace(trace: &Trace, order: Order) -> Self {
        let spans: Vec<_> = trace.spans().map(|span| (span.data(), span.has_ended())).collect();
        let mut described = Self::spans(&spans, order);
        if order == Order::Fixed {
            described.begun = spans.iter().map(|(span, _)| node(span)).collect();
        }
        described
    }

    fn exported(spans: &[SpanData], order: Order) -> Self {
        Self::spans(&spans.iter().map(|span| (span, true)).collect::<Vec<_>>(), order)
    }

    fn spans(spans: &[(&SpanData, bool)], order: Order) -> Self {
        let named: HashMap<_, _> =
            spans.iter().map(|(span, _)| (span.span_context.span_id(), node(span))).collect();
        let traces: HashMap<_, _> = spans
            .iter()
            .map(|(span, _)| (span.span_context.span_id(), span.span_context.trace_id()))
            .collect();
        let mut described = Self::default();
        for (span, ended) in spans {
            let mut text = String::new();
            let SpanData { span_context: context, parent_span_id: parent, links, events, .. } = span;
            let whose =
                |id: &SpanId| named.get(id).cloned().unwrap_or_else(|| format!("{id}, which is elsewhere"));
            let _ = writeln!(text, "{} ({:?}) {:?}, ended: {ended}", span.name, span.span_kind, span.status);
            let _ = writeln!(
                text,
                "under {}, remote: {}, in its trace: {:?}",
                whose(parent),
                span.parent_span_is_remote,
                traces.get(parent).map(|trace| *trace == context.trace_id())
            );
            let _ = writeln!(
                text,
                "flags {:?}, remote: {}, state {:?}, valid: {}",
                context.trace_flags(),
                context.is_remote(),
                context.trace_state(),
                context.is_valid()
            );
            let _ = writeln!(text, "{:?}", span.instrumentation_scope);
            let _ = writeln!(
                text,
                "dropped: {} {} {}",
                span.dropped_attributes_count, events.dropped_count, links.dropped_count
            );
            let (place, own): (Vec<_>, Vec<_>) =
                span.attributes.iter().partition(|attribute| attribute.key.as_str().starts_with("code."));
            let mut parts: Vec<_> = own.into_iter().map(attribute).collect();
            parts.extend(events.iter().map(event));
            parts.extend(links.iter().map(|link| {
                let to = &link.span_context;
                format!(
                    "-> {}, remote: {}, sampled: {}, {:?}, dropped: {}",
                    whose(&to.span_id()),
                    to.is_remote(),
                    to.is_sampled(),
                    link.attributes,
                    link.dropped_attributes_count
                )
            }));
            if order == Order::Free {
                parts.sort();
            }
            parts.extend(place.into_iter().map(attribute));
            text.push_str(&parts.join("\n"));
            if let Some(other) = described.spans.insert(node(span), text) {
                described.spans.insert(format!("{} again", node(span)), other);
            }
        }
        described
    }

    /// What is other here than there.
    fn difference(&self, sdk: &Self) -> String {
        let mut faults = String::new();
        let nodes: std::collections::BTreeSet<_> = self.spans.keys().chain(sdk.spans.keys()).collect();
        for node in nodes {
            let (ours, theirs) = (self.spans.get(node), sdk.spans.get(node));
            if ours != theirs {
                let text =
                    |span: Option<&String>| span.map_or("nothing", String::as_str).replace('\n', "\n    ");
                let _ = writeln!(
                    faults,
                    "{node}:\n  ours\n    {}\n  the SDK's\n    {}",
                    text(ours),
                    text(theirs)
                );
            }
        }
        if self.begun != sdk.begun {
            let _ = writeln!(faults, "ours began as {:?}, the SDK's as {:?}", self.begun, sdk.begun);
        }
        faults
    }
}

fn node(span: &SpanData) -> String {
    let node = span.attributes.iter().find(|attribute| attribute.key.as_str() == "node");
    node.map_or_else(|| format!("the stray `{}`", span.name), |node| node.value.to_string())
}

/// With the type of the value, and with the value, if that is not a time.
fn attribute(KeyValue { key, value, .. }: &KeyValue) -> String {
    match (key.as_str(), value) {
        ("busy_ns" | "idle_ns" | "polls", Value::I64(_)) => format!("{key} = I64"),
        _ => format!("{key} = {value:?}"),
    }
}

fn event(event: &Event) -> String {
    let attributes: Vec<_> = event.attributes.iter().map(attribute).collect();
    format!("* {} {attributes:?}, dropped: {}", event.name, event.dropped_attributes_count)
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    match (number("TRACED_ORACLE_SEED"), number("TRACED_ORACLE_COUNT")) {
        (Some(seed), count) => seed..seed + count.unwrap_or(1),
        (None, most) => 0..most.unwrap_or(count),
    }
}

fn report(seed: u64, faults: &str) -> String {
    format!("seed {seed}:\n{faults}\nthe program:\n{}", world(seed).0.program)
}

#[track_caller]
fn assert_none(mut reports: Vec<String>) {
    reports.sort_by_key(String::len);
    let shortest = reports.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(reports.is_empty(), "{} programs differ; the shortest:\n{shortest}", reports.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_random_program_leaves_in_a_capture_what_it_leaves_with_the_sdk() {
    const AT_ONCE: usize = 6;
    hush();
    let lanes: Vec<_> = (0..AT_ONCE)
        .map(|lane| {
            tokio::spawn(async move {
                let mut reports = Vec::new();
                for seed in seeds(3_000).skip(lane).step_by(AT_ONCE) {
                    let both = async { captured(seed).await.difference(&captured_by_sdk(seed).await.0) };
                    match tokio::time::timeout(Duration::from_secs(30), both).await {
                        Ok(faults) if faults.is_empty() => {}
                        Ok(faults) => reports.push(report(seed, &faults)),
                        Err(_) => reports.push(format!("seed {seed} never ends")),
                    }
                }
                reports
            })
        })
        .collect();
    let mut reports = Vec::new();
    for lane in lanes {
        reports.extend(lane.await.expect("no panic"));
    }
    assert_none(reports);
}

/// A capture goes a longer way than what is installed, which must not meet one.
#[test]
fn a_random_program_exports_what_it_leaves_with_the_sdk() {
    const TEST: &str = "differential::a_random_program_exports_what_it_leaves_with_the_sdk";
    if let Some(ran) = super::process::of_its_own(TEST, LONG) {
        return ran.assert_success();
    }
    hush();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let theirs: Vec<_> = seeds(2_000)
        .map(|seed| (seed, runtime.block_on(async { tokio::spawn(captured_by_sdk(seed)).await.unwrap().1 })))
        .collect();
    let keeps = Keeps::default();
    let tracing = traced::builder("test").exporter(keeps.clone()).install().unwrap();
    let mut reports = Vec::new();
    for (seed, theirs) in theirs {
        let (world, order) = world(seed);
        runtime.block_on(async {
            let run = async move { if world.is_sync() { world.begin() } else { world.run().await } };
            let _ = tokio::time::timeout(Duration::from_secs(30), tokio::spawn(run)).await.unwrap().unwrap();
        });
        tracing.flush().unwrap();
        let ours = Described::exported(&keeps.take(), order);
        let faults = ours.difference(&theirs);
        if !faults.is_empty() {
            reports.push(report(seed, &faults));
        }
    }
    assert_none(reports);
}

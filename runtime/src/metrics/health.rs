//! What became of the spans, as metrics that are asked for.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use crate::Stats;

/// The stats for each exporter, as long as there is somebody to ask.
type ByExporter = Arc<dyn Fn() -> Option<Vec<Stats>> + Send + Sync>;

/// Lets a meter ask for the stats of exporters with these names.
pub(crate) fn observe(
    meter: &Meter,
    names: &[String],
    stats: impl Fn() -> Option<Vec<Stats>> + Send + Sync + 'static,
) {
    let stats: ByExporter = Arc::new(stats);
    // Where there is none, the losses are counted nevertheless.
    let names = if names.is_empty() { vec!["none".to_owned()] } else { names.to_vec() };
    let names = Arc::new(names);
    let all = |tell: fn(&Stats) -> u64| {
        let stats = Arc::clone(&stats);
        move |observer: &dyn AsyncInstrument<u64>| {
            if let Some(stats) = stats().as_ref().and_then(|each| each.first()) {
                observer.observe(tell(stats), &[]);
            }
        }
    };
    let each = |tell: fn(&Stats, &dyn AsyncInstrument<u64>, KeyValue)| {
        let (stats, names) = (Arc::clone(&stats), Arc::clone(&names));
        move |observer: &dyn AsyncInstrument<u64>| {
            for (stats, name) in stats().iter().flatten().zip(names.iter()) {
                tell(stats, observer, KeyValue::new("exporter", name.clone()));
            }
        }
    };
    meter
        .u64_observable_counter("traced.spans.started")
        .with_description("Recorded spans that have begun.")
        .with_callback(all(|stats| stats.started))
        .build();
    meter
        .u64_observable_gauge("traced.spans.open")
        .with_description("Spans that have begun and not ended.")
        .with_callback(all(|stats| stats.open))
        .build();
    meter
        .u64_observable_gauge("traced.spans.waiting")
        .with_description("Spans that have ended and wait to be handed to the exporter.")
        .with_callback(each(|stats, observer, exporter| observer.observe(stats.waiting, &[exporter])))
        .build();
    meter
        .u64_observable_counter("traced.spans.exported")
        .with_description("Spans that were handed to the exporter.")
        .with_callback(each(|stats, observer, exporter| observer.observe(stats.exported, &[exporter])))
        .build();
    meter
        .u64_observable_counter("traced.exports.retried")
        .with_description("Tries to hand spans to the exporter that failed and were not the last.")
        .with_callback(each(|stats, observer, exporter| observer.observe(stats.retried, &[exporter])))
        .build();
    meter
        .u64_observable_counter("traced.spans.dropped")
        .with_description("Spans that were lost on the way to the exporter.")
        .with_callback(each(|stats, observer, exporter| {
            // Those that are zero, too: what appears with a loss has no rate at its first scrape.
            for (reason, spans) in stats.dropped.by_reason() {
                observer.observe(spans, &[exporter.clone(), KeyValue::new("reason", reason)]);
            }
        }))
        .build();
}

//! Jaeger's JSON, as its API answers and its UI loads from a file, and an exporter that writes such a file.
//!
//! Written from Jaeger's own sources: the structure is that of `internal/uimodel`, what becomes of an OpenTelemetry span is
//! what the collector's translator makes of it, and numbers that JavaScript cannot hold are texts. Spans of one trace
//! stand together, below the service they are of. To send spans to a running Jaeger, use OTLP: it listens to that.

mod file;
mod form;

use std::collections::BTreeMap;

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::memory::Trace;

pub use file::File;

/// Renders spans as one document that Jaeger's UI loads: traces in the order of their ids.
///
/// ```
/// use opentelemetry_sdk::{Resource, trace::SpanData};
///
/// let spans: Vec<SpanData> = Vec::new();
/// let shop = Resource::builder_empty().with_service_name("shop").build();
/// assert_eq!(
///     traced::jaeger::json(&spans, &shop),
///     r#"{"data":[],"total":0,"limit":0,"offset":0,"errors":null}"#
/// );
/// ```
pub fn json(spans: &[SpanData], resource: &Resource) -> String {
    let mut traces: BTreeMap<[u8; 16], Vec<Vec<u8>>> = BTreeMap::new();
    for span in spans {
        let id = span.span_context.trace_id().to_bytes();
        traces.entry(id).or_default().push(form::span(span, "p1"));
    }
    let processes = form::processes([("p1".to_owned(), resource)]);
    text(traces.iter().map(|(id, spans)| form::Trace {
        id: TraceId::from_bytes(*id),
        spans: spans.iter().map(Vec::as_slice).collect(),
        processes: &processes,
        missing: 0,
    }))
}

/// What memory keeps, as one document.
pub(crate) fn document(traces: &[Trace]) -> String {
    let traces: Vec<_> = traces.iter().map(Rendered::of).collect();
    text(traces.iter().map(|trace| form::Trace {
        id: trace.id,
        spans: trace.spans.iter().map(Vec::as_slice).collect(),
        processes: &trace.processes,
        missing: trace.missing,
    }))
}

/// A trace of memory as text.
struct Rendered {
    id: TraceId,
    spans: Vec<Vec<u8>>,
    processes: Vec<u8>,
    missing: u64,
}

impl Rendered {
    fn of(trace: &Trace) -> Self {
        let name = |number: usize| format!("p{}", number + 1);
        let mut resources: Vec<&Resource> = Vec::new();
        let mut spans = Vec::with_capacity(trace.members.len());
        for member in &trace.members {
            let known = resources.iter().position(|known| **known == *member.resource);
            let process = known.unwrap_or_else(|| {
                resources.push(&member.resource);
                resources.len() - 1
            });
            spans.push(form::span(&member.span, &name(process)));
        }
        let named = resources.into_iter().enumerate().map(|(number, resource)| (name(number), resource));
        Self { id: trace.id(), spans, processes: form::processes(named), missing: trace.missing() }
    }
}

fn text<'a>(traces: impl Iterator<Item = form::Trace<'a>>) -> String {
    let mut text = Vec::new();
    // To memory nothing fails, and what was text before is text.
    let _ = form::document(&mut text, traces);
    String::from_utf8(text).unwrap_or_default()
}

//! A trace that was kept: its spans, its shape, and what it comes to in a line.

use std::fmt;
use std::time::{Duration, SystemTime};

use opentelemetry::Key;
use opentelemetry::trace::{SpanId, Status, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::Member;
use crate::keep::{Kept, is_local_root};

/// The spans of one trace as far as they had come, the earliest first. It prints as the console would draw it.
#[derive(Clone)]
pub struct Trace {
    id: TraceId,
    pub(crate) members: Vec<Member>,
    missing: u64,
}

/// What a trace comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The trace's id.
    pub id: TraceId,
    /// What its root is called; without a root, its earliest span. Empty where no span is kept.
    pub root: String,
    /// Whether a span is here with which it begins in this process.
    pub is_rooted: bool,
    /// The service the root is of.
    pub service: String,
    /// When its earliest span began.
    pub start: SystemTime,
    /// From there to the end of the last span.
    pub duration: Duration,
    /// How many spans are here.
    pub spans: usize,
    /// How many of them have failed.
    pub errors: usize,
    /// How many more came, and went again or found no room.
    pub missing: u64,
}

impl Trace {
    pub(super) fn of(kept: &Kept<Member>) -> Self {
        let mut members: Vec<Member> = kept.spans.iter().map(|kept| kept.span.clone()).collect();
        members.sort_by_key(|member| member.span.start_time);
        Self { id: kept.id, members, missing: kept.missing }
    }

    /// The trace's id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// How many more spans came, and went again or found no room.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// All spans, the earliest first.
    pub fn spans(&self) -> impl Iterator<Item = &SpanData> {
        self.members.iter().map(|member| &*member.span)
    }

    /// The spans whose parent is not here: those with which the trace begins, and those that lack their parents.
    pub fn roots(&self) -> impl Iterator<Item = &SpanData> {
        let ids: std::collections::HashSet<SpanId> =
            self.spans().map(|span| span.span_context.span_id()).collect();
        self.spans().filter(move |span| !ids.contains(&span.parent_span_id))
    }

    /// The spans right below one, the earliest first.
    pub fn children(&self, of: &SpanData) -> impl Iterator<Item = &SpanData> {
        let parent = of.span_context.span_id();
        self.spans().filter(move |span| span.parent_span_id == parent)
    }

    /// What it comes to.
    pub fn summary(&self) -> Summary {
        let root = self.members.iter().find(|member| is_local_root(&member.span));
        let first = root.or(self.members.first());
        let (start, duration) = stretch(self.spans());
        Summary {
            id: self.id,
            root: first.map(|member| member.span.name.to_string()).unwrap_or_default(),
            is_rooted: root.is_some(),
            service: first.map(|member| service(&member.resource)).unwrap_or_default(),
            start,
            duration,
            spans: self.members.len(),
            errors: self.spans().filter(|span| has_failed(span)).count(),
            missing: self.missing,
        }
    }

    /// This trace as Jaeger's JSON, which its UI loads as a file.
    #[cfg(feature = "jaeger-json")]
    pub fn jaeger_json(&self) -> String {
        crate::jaeger::document(std::slice::from_ref(self))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans: Vec<SpanData> = self.spans().cloned().collect();
        f.write_str(&crate::console::render_trace(&self.summary().service, self.id, &spans))?;
        if self.missing > 0 {
            writeln!(f, "{} more spans are not kept", self.missing)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("id", &self.id)
            .field("spans", &self.members.len())
            .field("missing", &self.missing)
            .finish()
    }
}

pub(super) fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

pub(super) fn service(resource: &Resource) -> String {
    resource.get_ref(&Key::from_static_str("service.name")).map(ToString::to_string).unwrap_or_default()
}

/// From the first start to the last end.
pub(super) fn stretch<'a>(spans: impl Iterator<Item = &'a SpanData>) -> (SystemTime, Duration) {
    let (start, end) = spans.fold((None::<SystemTime>, None::<SystemTime>), |(start, end), span| {
        (
            Some(start.map_or(span.start_time, |start| start.min(span.start_time))),
            end.max(Some(span.end_time)),
        )
    });
    let start = start.unwrap_or(SystemTime::UNIX_EPOCH);
    // Clocks may go backwards.
    (start, end.and_then(|end| end.duration_since(start).ok()).unwrap_or_default())
}

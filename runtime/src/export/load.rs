//! Spans on their way to the queues: as they were recorded, or read already.

use std::sync::Arc;

use opentelemetry_sdk::trace::SpanData;

use super::Queue;
use crate::record::{self, Batch};

/// Spans that come together.
pub(crate) enum Load {
    /// As they were recorded; every queue has the same.
    Compact(Arc<Batch>),
    /// Read already, with the bytes they hold.
    Read(Vec<SpanData>, usize),
    /// The same, where other queues get them too.
    Shared(Arc<Vec<SpanData>>, usize),
}

impl Load {
    /// Spans that were read already.
    pub(crate) fn read(spans: Vec<SpanData>) -> Self {
        let bytes = spans.iter().map(record::span_bytes).sum();
        Self::Read(spans, bytes)
    }

    /// Once for each of several queues.
    pub(crate) fn for_each(self, queues: &[Arc<Queue>]) {
        let load = match (self, queues) {
            (load, [queue]) => return queue.push(load),
            (Self::Read(spans, bytes), _) => Self::Shared(Arc::new(spans), bytes),
            (load, _) => load,
        };
        for queue in queues {
            queue.push(match &load {
                Self::Compact(batch) => Self::Compact(Arc::clone(batch)),
                Self::Shared(spans, bytes) => Self::Shared(Arc::clone(spans), *bytes),
                Self::Read(..) => continue,
            });
        }
    }

    pub(super) fn spans(&self) -> usize {
        match self {
            Self::Compact(batch) => batch.spans,
            Self::Read(spans, _) => spans.len(),
            Self::Shared(spans, _) => spans.len(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Compact(batch) => batch.bytes(),
            Self::Read(_, bytes) | Self::Shared(_, bytes) => *bytes,
        }
    }

    /// Reads the first of them to the end of `spans`, and says so after each.
    pub(super) fn each(
        self,
        count: usize,
        spans: &mut Vec<SpanData>,
        mut read: impl FnMut(&mut Vec<SpanData>),
    ) {
        let push = |span| {
            spans.push(span);
            read(spans);
        };
        match self {
            Self::Compact(batch) => {
                let calendar = record::calendar();
                for record in batch.records().take(count) {
                    record::read(record, &calendar, spans);
                    read(spans);
                }
            }
            Self::Read(list, _) => list.into_iter().take(count).for_each(push),
            Self::Shared(list, _) => list.iter().take(count).cloned().for_each(push),
        }
    }
}

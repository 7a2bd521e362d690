//! The last traces, kept in memory and asked from any thread: what a `/traces` endpoint needs.
//!
//! [`Memory`] is an exporter as any other, and a handle to what it keeps; a [`Query`] says which traces are wanted, a
//! [`Summary`] tells a trace in a line, and a [`Trace`] has its spans. None of it waits for spans or for another exporter.

mod query;
mod trace;

use std::fmt;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::keep::{Keep, Room, is_local_root, weight};
use crate::record::lock;

pub use query::{Query, QueryFault};
pub use trace::{Summary, Trace};

/// How much is kept, unless it is said otherwise.
const ROOM: Room = Room { traces: 1_000, bytes: 16 << 20 };

/// A span with the service it is of.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) span: Arc<SpanData>,
    pub(crate) resource: Arc<Resource>,
}

/// A span exporter that keeps the last traces, and the handle by which they are found. Clones share what is kept.
///
/// ```
/// use traced::memory::{Memory, Query};
///
/// #[traced::traced(kind = server, attr(order))]
/// fn checkout(order: u64) -> Result<(), String> {
///     pay()
/// }
///
/// #[traced::traced]
/// fn pay() -> Result<(), String> {
///     Err("card declined".into())
/// }
///
/// let memory = Memory::new();
/// let tracing = traced::builder("shop").exporter(memory.clone()).install()?;
/// checkout(7).unwrap_err();
/// tracing.flush()?;
///
/// let failed = memory.search(&Query::new().service("shop").attribute("order", "7").errors());
/// assert_eq!((failed[0].root.as_str(), failed[0].spans, failed[0].errors), ("checkout", 2, 2));
/// let trace = memory.trace(failed[0].id).expect("it was there a moment ago");
/// assert_eq!(trace.children(trace.roots().next().unwrap()).next().unwrap().name, "pay");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It keeps 1,000 traces and 16 MB of spans, unless told otherwise. When that is full, the oldest traces go, each of them
/// whole. Spans join their trace whenever they come. No trace takes more than half of the bytes: of a larger one, the
/// first spans and its root are kept. [`Summary::missing`] tells how many spans a trace lacks, [`Memory::kept`] what went
/// altogether. What is kept stays after a shutdown, for as long as there is a handle.
///
/// It is a look into a running program and no storage: what it lets go counts as exported in
/// [`stats`](crate::Tracing::stats).
#[derive(Clone)]
pub struct Memory {
    kept: Arc<Mutex<Keep<Member>>>,
    resource: Arc<Resource>,
}

/// What a [`Memory`] keeps now, and what it let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// Traces that are kept.
    pub traces: usize,
    /// Their spans.
    pub spans: usize,
    /// About how many bytes they take.
    pub bytes: usize,
    /// Traces that went to make room for newer ones.
    pub gone_traces: u64,
    /// The spans that went with them.
    pub gone_spans: u64,
    /// Spans that were not kept because their trace had its share.
    pub cut_spans: u64,
}

impl Memory {
    /// Keeps 1,000 traces and 16 MB.
    pub fn new() -> Self {
        let kept = Arc::new(Mutex::new(Keep::new(ROOM)));
        Self { kept, resource: Arc::new(Resource::builder_empty().build()) }
    }

    /// How many traces are kept, at least one. It counts for all clones, from the next span on.
    pub fn traces(self, traces: usize) -> Self {
        if let Some(mut kept) = lock(&self.kept) {
            kept.room.traces = traces.max(1);
        }
        self
    }

    /// How many bytes of spans are kept. It counts for all clones, from the next span on.
    pub fn bytes(self, bytes: usize) -> Self {
        if let Some(mut kept) = lock(&self.kept) {
            kept.room.bytes = bytes;
        }
        self
    }

    /// The newest traces, by when their first span ended.
    pub fn recent(&self, limit: usize) -> Vec<Summary> {
        self.search(&Query::new().limit(limit))
    }

    /// What a query finds, the newest first.
    pub fn search(&self, query: &Query) -> Vec<Summary> {
        self.find(query).iter().map(Trace::summary).collect()
    }

    /// A query's traces, the newest first.
    pub fn find(&self, query: &Query) -> Vec<Trace> {
        let Some(kept) = lock(&self.kept) else { return Vec::new() };
        // Nothing but comparisons happens here: whoever exports waits meanwhile.
        kept.newest().filter(|kept| query.finds(kept)).take(query.limit).map(Trace::of).collect()
    }

    /// The trace with that id, as far as it has come.
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        lock(&self.kept)?.of(id).map(Trace::of)
    }

    /// What is kept, and what went.
    pub fn kept(&self) -> Contents {
        let tally = lock(&self.kept).map(|kept| kept.tally()).unwrap_or_default();
        Contents {
            traces: tally.traces,
            spans: tally.spans,
            bytes: tally.bytes,
            gone_traces: tally.gone_traces,
            gone_spans: tally.gone_spans,
            cut_spans: tally.cut_spans,
        }
    }

    /// A query's traces as Jaeger's JSON, which its UI loads as a file.
    #[cfg(feature = "jaeger-json")]
    pub fn jaeger_json(&self, query: &Query) -> String {
        crate::jaeger::document(&self.find(query))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memory").field(&self.kept()).finish()
    }
}

impl SpanExporter for Memory {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let Some(mut kept) = lock(&self.kept) else {
            return Err(OTelSdkError::InternalFailure(
                "the memory is locked for ever: the process was forked while another thread used it"
                    .to_owned(),
            ));
        };
        for span in batch {
            let (id, is_root) = (span.span_context.trace_id(), is_local_root(&span));
            // What holds a span together: its own allocation, and its place in the trace.
            let bytes = weight(&span) + 2 * size_of::<usize>();
            let member = Member { span: Arc::new(span), resource: Arc::clone(&self.resource) };
            kept.push(id, member, bytes, is_root);
        }
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = Arc::new(resource.clone());
    }
}

//! A file of the last traces that Jaeger's UI loads at any moment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::form;
use crate::disk;
use crate::keep::{Keep, Room, is_local_root};

/// How much there is in the file, unless it is said otherwise.
const ROOM: Room = Room { traces: 200, bytes: 8 << 20 };
/// How long a file stays as it is, at least: it is written whole each time.
const PAUSE: Duration = Duration::from_millis(200);
/// What stands around a trace, its warnings included.
const FRAME: usize = 512;

/// A span exporter that keeps a file of the last traces, as Jaeger's UI loads it (*Search*, *JSON File*).
///
/// ```
/// #[traced::traced]
/// fn checkout() {}
///
/// # let folder = std::env::temp_dir().join(format!("traced-jaeger-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("traces.json");
/// let tracing = traced::builder("shop").exporter(traced::jaeger::File::new(&path)).install()?;
/// checkout();
/// tracing.flush()?;
/// assert!(std::fs::read_to_string(&path)?.contains(r#""operationName":"checkout""#));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The file is replaced in one step: whoever opens it finds it whole, whatever happens meanwhile. It follows what ends
/// within half a second, and has everything after a flush and a shutdown. It begins anew with each set-up.
///
/// It has the last 200 traces and 8 MB, unless told otherwise; when that is full the oldest traces go, each whole, and no
/// trace takes more than half of it. Where spans of a trace are missing, a warning at its first span says how many.
///
/// The folder must be there. Only the user of the process may read the file, where the platform knows users. A write that
/// fails is reported, and its spans count as not exported; they are in the file nevertheless once a later write succeeds.
pub struct File {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    keep: Keep<Box<[u8]>>,
    processes: Vec<u8>,
    /// When it was written last.
    written: Option<Instant>,
    /// Whether the file lacks what is kept.
    is_behind: bool,
    /// Whether a thread will see to that.
    is_awaited: bool,
    /// What went wrong where nobody could be told.
    failure: Option<String>,
}

impl File {
    /// A file of the last 200 traces and 8 MB at that path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let nobody = Resource::builder_empty().build();
        let state = State {
            keep: Keep::new(ROOM),
            processes: form::processes([("p1".to_owned(), &nobody)]),
            written: None,
            is_behind: true,
            is_awaited: false,
            failure: None,
        };
        Self { shared: Arc::new(Shared { path: path.into(), state: Mutex::new(state) }) }
    }

    /// How many traces there are in the file, at least one.
    pub fn traces(self, traces: usize) -> Self {
        self.shared.with(|state| state.keep.room.traces = traces.max(1));
        self
    }

    /// How large the file may become.
    pub fn bytes(self, bytes: usize) -> Self {
        self.shared.with(|state| state.keep.room.bytes = bytes);
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }
}

impl Shared {
    fn with<R>(&self, use_it: impl FnOnce(&mut State) -> R) -> R {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, state: &mut State) -> OTelSdkResult {
        let State { keep, processes, .. } = &*state;
        let traces = keep.newest().map(|trace| form::Trace {
            id: trace.id,
            spans: trace.spans.iter().map(|kept| &*kept.span).collect(),
            processes,
            missing: trace.missing,
        });
        let written = disk::replace(&self.path, |to| form::document(to, traces));
        state.written = Some(Instant::now());
        state.is_behind = written.is_err();
        state.failure = None;
        written.map_err(|error| {
            OTelSdkError::InternalFailure(format!("`{}` cannot be written: {error}", self.path.display()))
        })
    }

    /// Writes now, or lets a thread do it when the file has stood long enough.
    fn follow(self: &Arc<Self>, state: &mut State) -> OTelSdkResult {
        let rest = PAUSE.saturating_sub(state.written.map_or(PAUSE, |written| written.elapsed()));
        if rest.is_zero() {
            return self.write(state);
        }
        if let Some(failure) = state.failure.take() {
            return Err(OTelSdkError::InternalFailure(failure));
        }
        if state.is_awaited {
            return Ok(());
        }
        let later = Arc::clone(self);
        let thread = std::thread::Builder::new().name("traced-jaeger".to_owned()).spawn(move || {
            std::thread::sleep(rest);
            later.with(|state| {
                state.is_awaited = false;
                if state.is_behind
                    && let Err(error) = later.write(state)
                {
                    state.failure = Some(error.to_string());
                }
            });
        });
        match thread {
            Ok(_) => {
                state.is_awaited = true;
                Ok(())
            }
            Err(_) => self.write(state),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl SpanExporter for File {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.shared.with(|state| {
            for span in batch {
                let text = form::span(&span, "p1").into_boxed_slice();
                let bytes = text.len();
                state.keep.push(span.span_context.trace_id(), text, bytes, is_local_root(&span));
            }
            state.is_behind = true;
            self.shared.follow(state)
        })
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.shared.with(|state| if state.is_behind { self.shared.write(state) } else { Ok(()) })
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        self.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.shared.with(|state| {
            state.processes = form::processes([("p1".to_owned(), resource)]);
            // Each trace has them, with its own frame.
            state.keep.base = state.processes.len() + FRAME;
        });
    }
}

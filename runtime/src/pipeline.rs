//! Where spans go: the one installed pipeline, the captures of tests, and how a call finds its own.
//!
//! Everything above asks `enabled()` first: one relaxed load, and the whole cost of a traced call while nothing
//! is set up. A capture travels inside the OpenTelemetry context, so it reaches exactly what its test calls.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::global::{BoxedTracer, ObjectSafeTracerProvider};
use opentelemetry::{Context, InstrumentationScope};

use crate::exception::Exceptions;

/// How many sinks there are: the installed pipeline and each running capture.
static SINKS: AtomicUsize = AtomicUsize::new(0);
static CAPTURES: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: RwLock<Option<Arc<Pipeline>>> = RwLock::new(None);
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Whether any call may be recorded at all.
#[inline]
pub(crate) fn enabled() -> bool {
    SINKS.load(Ordering::Relaxed) != 0
}

/// A tracer provider and what calls need to know about it.
pub(crate) struct Pipeline {
    generation: u64,
    provider: Box<dyn ObjectSafeTracerProvider + Send + Sync>,
    /// What the set-up decided about every span.
    pub(crate) policy: Policy,
    /// Where exceptions go.
    pub(crate) exceptions: Exceptions,
    open: AtomicBool,
}

/// What a set-up decides about every span that goes through it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) sampler: Sampler,
    /// Whether spans carry `code.function.name`, `code.file.path` and `code.line.number`.
    pub(crate) code_attributes: bool,
}

/// What is known of a sampler before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampler {
    /// Asked first; attributes are evaluated only for spans it keeps.
    Plain,
    /// As `Plain`, and never keeps the child of a span that was not kept.
    ParentBased,
    /// Looks at attributes, so it gets them first.
    ReadsAttributes,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("generation", &self.generation)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    pub(crate) fn new(
        provider: impl ObjectSafeTracerProvider + Send + Sync + 'static,
        policy: Policy,
        exceptions: Exceptions,
    ) -> Self {
        Self {
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            provider: Box::new(provider),
            policy,
            exceptions,
            open: AtomicBool::new(true),
        }
    }

    /// Tells pipelines apart, for caches that must not outlive one.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn tracer(&self, scope: InstrumentationScope) -> BoxedTracer {
        BoxedTracer::new(self.provider.boxed_tracer(scope))
    }

    /// The pipeline for a call made under `cx`: the capture it runs in, else what is installed.
    pub(crate) fn of(cx: &Context) -> Option<Arc<Self>> {
        if let Some(captured) = Captured::of(cx) {
            return Some(captured.0);
        }
        installed()
    }
}

/// The installed pipeline.
pub(crate) fn installed() -> Option<Arc<Pipeline>> {
    INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Makes `pipeline` the installed one, or gives it back if there is one already.
pub(crate) fn install(pipeline: Arc<Pipeline>) -> Result<(), Arc<Pipeline>> {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    if installed.is_some() {
        return Err(pipeline);
    }
    crate::panic::listen();
    *installed = Some(pipeline);
    SINKS.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Takes `pipeline` out again; a second call for the same one does nothing.
pub(crate) fn uninstall(pipeline: &Pipeline) {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let is_ours = installed.as_ref().is_some_and(|current| current.generation == pipeline.generation);
    if is_ours && pipeline.open.swap(false, Ordering::Relaxed) {
        *installed = None;
        SINKS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The mark a capture leaves in the context of everything it runs.
#[derive(Clone)]
pub(crate) struct Captured(pub(crate) Arc<Pipeline>);

impl Captured {
    /// The capture that `cx` belongs to.
    pub(crate) fn of(cx: &Context) -> Option<Self> {
        if CAPTURES.load(Ordering::Relaxed) == 0 {
            return None;
        }
        cx.get::<Self>().filter(|captured| captured.0.open.load(Ordering::Relaxed)).cloned()
    }
}

/// A running capture: while it lives, calls under its context are recorded.
#[derive(Debug)]
pub(crate) struct Capturing(pub(crate) Arc<Pipeline>);

impl Capturing {
    pub(crate) fn start(pipeline: Arc<Pipeline>) -> Self {
        crate::panic::listen();
        CAPTURES.fetch_add(1, Ordering::Relaxed);
        SINKS.fetch_add(1, Ordering::Relaxed);
        Self(pipeline)
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        self.0.open.store(false, Ordering::Relaxed);
        SINKS.fetch_sub(1, Ordering::Relaxed);
        CAPTURES.fetch_sub(1, Ordering::Relaxed);
    }
}

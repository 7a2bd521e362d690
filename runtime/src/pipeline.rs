//! Where spans go: the one installed pipeline, the captures of tests, and how a call finds its own.
//!
//! Everything above asks the `switch` first, which is turned here: one relaxed load, and the whole cost of a traced call
//! while nothing is set up. A capture travels inside the OpenTelemetry context, so it reaches exactly what its test calls.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use opentelemetry::global::{BoxedTracer, ObjectSafeTracerProvider};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::trace::{ShouldSample, SpanLimits};
use traced_core::Callsite;
use traced_core::switch::{STATE, captures, is_kept};

use crate::control::Switches;
use crate::exception::Exceptions;
use crate::record::{OtherTracer, Recorder, lock};
use crate::span::Live;

/// Something that threads read all the time, apart from what others write.
#[repr(align(128))]
pub(crate) struct Alone<T>(pub(crate) T);

static INSTALLED: RwLock<Option<Arc<Pipeline>>> = RwLock::new(None);
/// All that were installed and are still looked at.
static KNOWN: Mutex<Vec<(u64, Weak<Pipeline>)>> = Mutex::new(Vec::new());
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Whether any span may be open that records.
#[inline]
pub(crate) fn is_set_up() -> bool {
    STATE.set_up.load(Ordering::Relaxed) != 0
}

/// Whether there is a set-up that is switched off.
pub(crate) fn is_switched_off() -> bool {
    STATE.switched_off.load(Ordering::Relaxed) != 0
}

/// The epoch of what is installed; zero for nothing.
#[inline]
pub(crate) fn installed_epoch() -> u64 {
    STATE.installed.load(Ordering::Acquire)
}

/// The limits of the pipeline of a generation; a capture has none.
pub(crate) fn limits(generation: u64) -> SpanLimits {
    match installed() {
        Some(pipeline) if pipeline.generation == generation => pipeline.policy.limits,
        _ => no_limits(),
    }
}

/// A test is to see what was recorded.
pub(crate) fn no_limits() -> SpanLimits {
    SpanLimits {
        max_events_per_span: u32::MAX,
        max_attributes_per_span: u32::MAX,
        max_links_per_span: u32::MAX,
        max_attributes_per_event: u32::MAX,
        max_attributes_per_link: u32::MAX,
    }
}

/// Who makes the spans.
#[expect(clippy::large_enum_variant, reason = "there is one of each set-up")]
pub(crate) enum Provider {
    /// Our own recorder.
    Ours(Recorder),
    /// Another tracer provider: the program's, or the SDK's.
    Foreign(Box<dyn ObjectSafeTracerProvider + Send + Sync>),
}

/// A provider and what calls need to know about it.
pub(crate) struct Pipeline {
    generation: u64,
    provider: Provider,
    /// What the set-up decided about every span.
    pub(crate) policy: Policy,
    /// Where exceptions go.
    pub(crate) exceptions: Exceptions,
    /// What can be changed while it runs; what is not ours to steer has none.
    switches: Option<Switches>,
    open: AtomicBool,
}

/// What a set-up decides about every span that goes through it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) sampler: Sampler,
    /// Whether spans carry `code.function.name`, `code.file.path` and `code.line.number`.
    pub(crate) code_attributes: bool,
    /// How much a span may hold.
    pub(crate) limits: SpanLimits,
}

/// What is known of a sampler before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampler {
    /// Asked for every span; attributes are evaluated only for those it keeps.
    Plain,
    /// Looks at attributes, so it gets them first.
    ReadsAttributes,
    /// Does what the parent does, and is asked for roots.
    ParentBased,
    /// As `ParentBased`, and looks at the attributes of roots.
    RootsByAttributes,
    /// As `ParentBased`, and keeps every root.
    Always,
    /// Keeps everything, whatever the parent is.
    On,
    /// Keeps nothing below what was not kept, and is asked about all else. So does one that keeps nothing at all.
    Never,
}

impl Sampler {
    /// What one knows of a sampler that says nothing itself.
    pub(crate) fn of<S: ShouldSample + 'static>(sampler: &S) -> Self {
        crate::sampling::known(sampler)
    }

    /// Whether attributes are evaluated before it is asked.
    pub(crate) fn reads_attributes(self) -> bool {
        matches!(self, Self::ReadsAttributes | Self::RootsByAttributes)
    }

    /// What it decides without being asked.
    pub(crate) fn decisions(self) -> Decisions {
        let (root, below) = match self {
            Self::Plain | Self::ReadsAttributes => (None, [None; 2]),
            Self::ParentBased | Self::RootsByAttributes => (None, [Some(false), Some(true)]),
            Self::Always => (Some(true), [Some(false), Some(true)]),
            Self::On => (Some(true), [Some(true); 2]),
            Self::Never => (None, [Some(false), None]),
        };
        Decisions { root, below }
    }
}

/// What is decided on a span without asking anyone; `None` where somebody has to be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decisions {
    /// On one that starts a trace.
    root: Option<bool>,
    /// On one below a span that is not kept, and on one below a span that is.
    below: [Option<bool>; 2],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "one byte of it is read where it stands")]
impl Decisions {
    /// The decision on a span below the one of `cx`, if it has one.
    #[inline]
    pub(crate) fn below(&self, cx: &Context) -> Option<bool> {
        match is_kept(cx) {
            Some(is_kept) => self.below_local(is_kept),
            None => self.root,
        }
    }

    /// The decision on a span below one of this process.
    #[inline]
    pub(crate) fn below_local(&self, is_sampled: bool) -> Option<bool> {
        self.below[usize::from(is_sampled)]
    }

    /// The decision on a span that starts a trace.
    pub(crate) fn root(&self) -> Option<bool> {
        self.root
    }
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
    pub(crate) fn new(provider: Provider, policy: Policy, exceptions: Exceptions) -> Self {
        Self {
            generation: next_epoch(),
            provider,
            policy,
            exceptions,
            switches: None,
            open: AtomicBool::new(true),
        }
    }

    /// The same, to be changed while it runs.
    pub(crate) fn with_switches(self, switches: Switches) -> Self {
        Self { switches: Some(switches), ..self }
    }

    pub(crate) fn switches(&self) -> Option<&Switches> {
        self.switches.as_ref()
    }

    /// What is known of the sampler that holds now.
    pub(crate) fn sampler(&self) -> Sampler {
        match self.switches.as_ref().and_then(|switches| switches.rate.get()) {
            None => self.policy.sampler,
            Some(rate) if rate < 1.0 => Sampler::ParentBased,
            Some(_) => Sampler::Always,
        }
    }

    /// As `sampler`, for those who start spans without asking anyone. Where each is to be shown to somebody, they may only
    /// say that there is none.
    pub(crate) fn quick_sampler(&self) -> Sampler {
        let is_watched =
            matches!(&self.provider, Provider::Ours(recorder) if !recorder.processors.is_empty());
        match self.sampler() {
            Sampler::ParentBased | Sampler::RootsByAttributes | Sampler::Always if is_watched => {
                Sampler::Never
            }
            Sampler::On if is_watched => Sampler::Plain,
            sampler => sampler,
        }
    }

    /// Whether a call site makes spans now.
    pub(crate) fn admits(&self, site: &'static Callsite) -> bool {
        self.switches.as_ref().is_none_or(|switches| !switches.is_paused() && switches.admits(site))
    }

    /// As `admits`, for a span that other code makes. `known` is what its tracer remembers.
    pub(crate) fn admits_other(&self, scope: &str, known: &AtomicU64, name: &str) -> bool {
        self.switches
            .as_ref()
            .is_none_or(|switches| !switches.is_paused() && switches.admits_other(scope, known, name))
    }

    /// Tells pipelines apart, for caches that must not outlive one.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// A tracer for other code.
    pub(crate) fn tracer(self: &Arc<Self>, scope: InstrumentationScope) -> BoxedTracer {
        match &self.provider {
            Provider::Ours(_) => BoxedTracer::new(Box::new(OtherTracer::new(Arc::clone(self), scope))),
            Provider::Foreign(provider) => BoxedTracer::new(provider.boxed_tracer(scope)),
        }
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

/// The pipeline of a generation, also after its end; `None` once nobody looks at it any more.
pub(crate) fn of_generation(generation: u64) -> Option<Arc<Pipeline>> {
    lock(&KNOWN)?.iter().find(|(known, _)| *known == generation)?.1.upgrade()
}

/// Makes `pipeline` the installed one, or gives it back if there is one already.
pub(crate) fn install(pipeline: Arc<Pipeline>) -> Result<(), Arc<Pipeline>> {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    if installed.is_some() {
        return Err(pipeline);
    }
    crate::panic::listen();
    Live::ready();
    if let Some(mut known) = lock(&KNOWN) {
        known.retain(|(_, known)| known.strong_count() > 0);
        known.push((pipeline.generation, Arc::downgrade(&pipeline)));
    }
    STATE.installed.store(pipeline.generation, Ordering::Release);
    *installed = Some(pipeline);
    STATE.passed.fetch_add(1, Ordering::Relaxed);
    STATE.set_up.fetch_add(1, Ordering::Relaxed);
    STATE.sinks.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Takes `pipeline` out again; a second call for the same one does nothing.
pub(crate) fn uninstall(pipeline: &Pipeline) {
    let mut installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let is_ours = installed.as_ref().is_some_and(|current| current.generation == pipeline.generation);
    if is_ours && pipeline.open.swap(false, Ordering::Relaxed) {
        *installed = None;
        STATE.installed.store(0, Ordering::Release);
        STATE.passed.fetch_sub(1, Ordering::Relaxed);
        STATE.set_up.fetch_sub(1, Ordering::Relaxed);
        if !pipeline.switches.as_ref().is_some_and(Switches::is_paused) {
            STATE.sinks.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A number that no pipeline and no change has had.
pub(crate) fn next_epoch() -> u64 {
    GENERATION.fetch_add(1, Ordering::Relaxed)
}

/// Makes every thread look again at what holds for `pipeline`, which has been written by now.
pub(crate) fn changed(pipeline: &Pipeline) {
    let installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    if installed.as_ref().is_some_and(|current| current.generation == pipeline.generation) {
        STATE.installed.store(next_epoch(), Ordering::Release);
    }
}

/// Takes `pipeline` away from new calls, or gives it back. Nothing happens to one that is not installed.
pub(crate) fn pause(pipeline: &Pipeline, pause: bool) {
    let installed = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let is_installed = installed.as_ref().is_some_and(|current| current.generation == pipeline.generation);
    if let Some(switches) = pipeline.switches.as_ref().filter(|_| is_installed)
        && switches.is_paused.swap(pause, Ordering::Relaxed) != pause
    {
        if pause {
            STATE.sinks.fetch_sub(1, Ordering::Relaxed);
        } else {
            STATE.sinks.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A set-up that is switched off: until it ends it records nothing, and passes on what callers sent.
#[derive(Debug)]
pub(crate) struct SwitchedOff {
    is_over: AtomicBool,
}

impl SwitchedOff {
    pub(crate) fn start() -> Self {
        Live::ready();
        STATE.switched_off.fetch_add(1, Ordering::Relaxed);
        STATE.passed.fetch_add(1, Ordering::Relaxed);
        Self { is_over: AtomicBool::new(false) }
    }

    /// Ends it; a second time nothing happens.
    pub(crate) fn end(&self) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            STATE.passed.fetch_sub(1, Ordering::Relaxed);
            STATE.switched_off.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for SwitchedOff {
    fn drop(&mut self) {
        self.end();
    }
}

/// The mark a capture leaves in the context of everything it runs.
#[derive(Clone)]
pub(crate) struct Captured(pub(crate) Arc<Pipeline>);

impl Captured {
    /// The capture that `cx` belongs to.
    pub(crate) fn of(cx: &Context) -> Option<Self> {
        if !captures() {
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
        Live::ready();
        STATE.captures.fetch_add(1, Ordering::Relaxed);
        STATE.passed.fetch_add(1, Ordering::Relaxed);
        STATE.set_up.fetch_add(1, Ordering::Relaxed);
        STATE.sinks.fetch_add(1, Ordering::Relaxed);
        Self(pipeline)
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        self.0.open.store(false, Ordering::Relaxed);
        STATE.sinks.fetch_sub(1, Ordering::Relaxed);
        STATE.set_up.fetch_sub(1, Ordering::Relaxed);
        STATE.passed.fetch_sub(1, Ordering::Relaxed);
        STATE.captures.fetch_sub(1, Ordering::Relaxed);
    }
}

//! What can be changed while it runs: the filter, the share of roots, and whether there is tracing at all.
//!
//! `Switches` belong to a pipeline and say what holds; a `Control` is the program's hand on them. Threads keep what they
//! know of them until the pipeline's epoch says that it is old (`own`), and call sites keep their verdict (`callsite`).

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SamplingDecision, SamplingResult, ShouldSample};
use traced_core::Callsite;

use crate::callsite::Site as _;
use crate::filter::{ControlFault, Filter};
use crate::pipeline::{self, Pipeline};
use crate::propagation::is_deferred;

/// A hand on a set-up while it runs: which functions make spans, which share of the traces is kept, and whether there is
/// tracing at all. [`Tracing::control`](crate::Tracing::control) gives it; clones go wherever they are needed, such as the
/// handler of an admin endpoint.
///
/// ```
/// use traced::traced;
///
/// #[traced]
/// fn lookup() {}
///
/// let tracing = traced::builder("shop").install()?;
/// let control = tracing.control();
/// control.set_filter("off,orders=on,orders::cache=off")?;
/// lookup();
/// assert_eq!(tracing.stats().started, 0, "it is in neither");
/// control.set_filter("")?;
/// lookup();
/// assert_eq!(tracing.stats().started, 1);
///
/// let wrong = control.set_filter("orders=maybe").unwrap_err();
/// assert_eq!(wrong.to_string(), "`orders=maybe`: expected `on` or `off` behind the `=`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every thread sees a change with the next call. Spans that are open then go on and end as they would have. A call without a
/// span is as one whose `when` says no: what it calls hangs under the caller's span, and the context stays as it is; or under
/// the `parent` it names, which is current for it.
///
/// Once the set-up is shut down, and where the environment switches tracing off, nothing here has any effect. Captures of
/// [`testing`](crate::testing) are no set-up: they see what they always see.
#[derive(Clone, Default)]
pub struct Control(Weak<Pipeline>);

// No panic leaves a switch half set.
impl UnwindSafe for Control {}
impl RefUnwindSafe for Control {}

impl Control {
    pub(crate) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self(Arc::downgrade(pipeline))
    }

    fn ask<R>(&self, ask: impl FnOnce(&Pipeline, &Switches) -> R) -> Option<R> {
        let pipeline = self.0.upgrade()?;
        pipeline.switches().map(|switches| ask(&pipeline, switches))
    }

    /// Says which functions make spans; it replaces what was said before, by `TRACED_FILTER` too.
    ///
    /// The rules are separated by commas. `orders::cache=off` is for all in that module and further inside, and for the span
    /// `cache` of the module `orders`, and such as `cache::…`: behind the module's path stands the span's name, which is the
    /// function's only where `name = "…"` does not say otherwise, and has a type only on an `impl` with `#[traced]`. Of
    /// several, the longest counts. `"GET /health"=off` is for the spans of exactly that name, wherever they are, and stands above all paths. `off`
    /// or `on` alone says what holds where no rule does; without it, that is `on`. An empty filter lets all through.
    ///
    /// For spans that other code makes through `opentelemetry::global`, the name of their instrumentation scope stands for
    /// the module's. Rules that no call has met yet are told by [`Tracing::explain`](crate::Tracing::explain).
    ///
    /// # Errors
    ///
    /// When a rule cannot be read, which it names; what was said before stays in force then.
    pub fn set_filter(&self, filter: &str) -> Result<(), ControlFault> {
        let filter = Filter::read(filter)?;
        self.ask(|pipeline, switches| {
            switches.set_filter(filter);
            switches.filter_is_live.store(true, Ordering::Relaxed);
            pipeline::changed(pipeline);
        });
        Ok(())
    }

    /// The filter in force, as it was written; empty where all goes through.
    pub fn filter(&self) -> String {
        self.ask(|_, switches| switches.filter_text()).unwrap_or_default()
    }

    /// Keeps this share of the roots, 0 to 1, in place of the sampler of the set-up, whatever that is: its rules and limits do
    /// not count, until [`reset_sample_rate`](Self::reset_sample_rate). Below a root, and below a caller in another service,
    /// the parent's decision counts.
    ///
    /// # Errors
    ///
    /// When it is no number from 0 to 1.
    pub fn set_sample_rate(&self, rate: f64) -> Result<(), ControlFault> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(ControlFault::new(&rate.to_string(), "expected a number from 0 to 1"));
        }
        self.rate(Some(rate));
        Ok(())
    }

    /// Lets the sampler of the set-up decide again.
    pub fn reset_sample_rate(&self) {
        self.rate(None);
    }

    fn rate(&self, rate: Option<f64>) {
        self.ask(|pipeline, switches| {
            switches.rate.set(rate);
            pipeline::changed(pipeline);
        });
    }

    /// The share of roots that [`set_sample_rate`](Self::set_sample_rate) said; `None` where the sampler of the set-up
    /// decides.
    pub fn sample_rate(&self) -> Option<f64> {
        self.ask(|_, switches| switches.rate.get()).flatten()
    }

    /// Starts no more spans: calls cost what they cost without a set-up, but for those that name a `parent`, which pass on
    /// what it sent. Spans that are open are still written to and end, and contexts travel as they are.
    pub fn pause(&self) {
        self.ask(|pipeline, _| pipeline::pause(pipeline, true));
    }

    /// Starts spans again.
    pub fn resume(&self) {
        self.ask(|pipeline, _| pipeline::pause(pipeline, false));
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.ask(|_, switches| switches.is_paused()).unwrap_or_default()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("filter", &self.filter())
            .field("sample_rate", &self.sample_rate())
            .field("is_paused", &self.is_paused())
            .finish()
    }
}

/// What holds for a pipeline.
#[derive(Debug)]
pub(crate) struct Switches {
    /// The filter, and the epoch in which it came to be.
    filter: RwLock<(u64, Filter)>,
    /// The same epoch, for those who know a verdict of it.
    epoch: AtomicU64,
    pub(crate) rate: Arc<Rate>,
    pub(crate) is_paused: AtomicBool,
    /// Whether the filter was changed since the set-up.
    filter_is_live: AtomicBool,
    /// Whether it lets all through, so that nobody needs to look at it.
    is_open: AtomicBool,
}

impl Switches {
    pub(crate) fn new(filter: Filter, rate: Arc<Rate>) -> Self {
        let epoch = pipeline::next_epoch();
        Self {
            is_open: AtomicBool::new(filter.is_open()),
            filter: RwLock::new((epoch, filter)),
            epoch: AtomicU64::new(epoch),
            rate,
            is_paused: AtomicBool::new(false),
            filter_is_live: AtomicBool::new(false),
        }
    }

    fn set_filter(&self, new: Filter) {
        let mut filter = self.filter.write().unwrap_or_else(PoisonError::into_inner);
        self.is_open.store(new.is_open(), Ordering::Relaxed);
        *filter = (pipeline::next_epoch(), new);
        self.epoch.store(filter.0, Ordering::Release);
    }

    pub(crate) fn filter_text(&self) -> String {
        self.filter.read().unwrap_or_else(PoisonError::into_inner).1.text().to_owned()
    }

    /// The rules that have decided about nothing yet.
    pub(crate) fn idle_rules(&self) -> Vec<String> {
        self.filter.read().unwrap_or_else(PoisonError::into_inner).1.idle()
    }

    pub(crate) fn filter_is_live(&self) -> bool {
        self.filter_is_live.load(Ordering::Relaxed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// The verdict of a call site that makes spans.
    pub(crate) fn admitted(&self) -> Verdict {
        Verdict::admitted(self.epoch.load(Ordering::Acquire))
    }

    /// Whether a call site makes spans, looked up once for each filter and not for each call.
    pub(crate) fn admits(&self, site: &'static Callsite) -> bool {
        let verdict = site.verdict();
        if verdict.is_of(self.epoch.load(Ordering::Acquire)) {
            return verdict.admits();
        }
        let filter = self.filter.read().unwrap_or_else(PoisonError::into_inner);
        let (epoch, filter) = &*filter;
        let verdict = Verdict::new(filter.admits(site.module(), site.name), *epoch);
        site.judge(verdict);
        verdict.admits()
    }

    /// As `admits`, for a span that other code makes. What holds for a whole scope, its tracer remembers as `known`.
    pub(crate) fn admits_other(&self, scope: &str, known: &AtomicU64, name: &str) -> bool {
        if self.is_open.load(Ordering::Relaxed) {
            return true;
        }
        let verdict = Verdict(known.load(Ordering::Relaxed));
        if verdict.is_of(self.epoch.load(Ordering::Acquire)) {
            return verdict.admits();
        }
        let filter = self.filter.read().unwrap_or_else(PoisonError::into_inner);
        let (epoch, filter) = &*filter;
        let Some(admits) = filter.admits_scope(scope) else { return filter.admits(scope, name) };
        known.store(Verdict::new(admits, *epoch).0, Ordering::Relaxed);
        admits
    }
}

/// What was said about a call site, and in which epoch. Another epoch's is no longer true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict(pub(crate) u64);

impl Verdict {
    fn new(admits: bool, epoch: u64) -> Self {
        if admits { Self::admitted(epoch) } else { Self(epoch << 1) }
    }

    fn admitted(epoch: u64) -> Self {
        Self(epoch << 1 | 1)
    }

    fn is_of(self, epoch: u64) -> bool {
        self.0 >> 1 == epoch
    }

    fn admits(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether it refuses, in the epoch of one that admits.
    #[inline]
    pub(crate) fn refuses_beside(self, admitted: Self) -> bool {
        self.0 == admitted.0 & !1
    }
}

/// The share of roots that is kept, where it was said while running.
#[derive(Debug)]
pub(crate) struct Rate(AtomicU64);

impl Default for Rate {
    fn default() -> Self {
        Self(AtomicU64::new(Self::UNSAID))
    }
}

impl Rate {
    /// The bits of a number that is none.
    const UNSAID: u64 = u64::MAX;

    fn set(&self, rate: Option<f64>) {
        self.0.store(rate.map_or(Self::UNSAID, f64::to_bits), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<f64> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != Self::UNSAID).then(|| f64::from_bits(bits))
    }
}

/// The sampler of a set-up, until a rate is said while running.
#[derive(Debug, Clone)]
pub(crate) struct Rated<S> {
    pub(crate) rate: Arc<Rate>,
    pub(crate) sampler: S,
}

impl<S: ShouldSample + Clone + 'static> ShouldSample for Rated<S> {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let Some(rate) = self.rate.get() else {
            return self.sampler.should_sample(parent, trace_id, name, kind, attributes, links);
        };
        match parent.filter(|cx| cx.has_active_span() && !is_deferred(cx)) {
            Some(cx) => {
                let span = cx.span();
                let span = span.span_context();
                let decision = if span.is_sampled() {
                    SamplingDecision::RecordAndSample
                } else {
                    SamplingDecision::Drop
                };
                SamplingResult { decision, attributes: Vec::new(), trace_state: span.trace_state().clone() }
            }
            None => SdkSampler::TraceIdRatioBased(rate)
                .should_sample(None, trace_id, name, kind, attributes, links),
        }
    }
}

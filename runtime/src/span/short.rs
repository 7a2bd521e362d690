//! The short way: a call whose span is our recorder's, and of which nobody has to be asked or told.
//!
//! Most calls are such, and are made and ended here in one piece. Whatever is not as it is expected goes the way that
//! `live` describes, with the same meaning.

use opentelemetry::trace::{SpanId, TraceContextExt, TraceState};
use opentelemetry::{Context, ContextGuard};
use traced_core::{Callsite, Stay};

use super::live::{Live, Phase, Span};
use crate::callsite::Site as _;
use crate::outcome;
use crate::own::{self, Home, Thread};
use crate::propagation::adopted;
use crate::record::{Parent, Recording, Ticks};

/// What a look at the current context makes of a call.
pub(super) enum Glance {
    /// There is nothing to record.
    Nothing,
    /// It needed nobody's word.
    Started(Box<Live>),
    /// One has to look closer.
    Other,
}

/// What kept the context of a call attached that is over, if anything did.
pub(super) struct Gone(#[expect(dead_code, reason = "it is there to be dropped")] Option<ContextGuard>);

impl Live {
    /// A call whose span is our recorder's, and needs nobody to be asked, is started at once.
    #[inline]
    pub(super) fn glance(site: &'static Callsite, thread: &mut Thread) -> Glance {
        if thread.is_deciding {
            return Glance::Nothing;
        }
        Context::map_current(|cx| {
            if cx.is_telemetry_suppressed() {
                return Glance::Nothing;
            }
            let Thread { leaves, home, .. } = &mut *thread;
            let Some(home) = Home::present(home).filter(|home| site.verdict() == home.admitted) else {
                return Glance::Other;
            };
            let decided = match leaves.last().filter(|leaf| leaf.is_innermost(cx)) {
                Some(leaf) => home.decisions.below_local(leaf.span.flags.is_sampled()),
                None => home.decisions.below(cx),
            };
            match decided {
                Some(false) => {
                    home.meet_unsampled();
                    Glance::Nothing
                }
                Some(true) => Self::child(cx, site, thread),
                None => Glance::Other,
            }
        })
    }

    /// A call whose span is our recorder's and sampled, started, unless the parent has more to hand on.
    #[inline(never)]
    fn child(cx: &Context, site: &'static Callsite, thread: &mut Thread) -> Glance {
        let Thread { leaves, spare, home: Some(home), .. } = thread else { return Glance::Other };
        let span = cx.span();
        let above = span.span_context();
        if *above.trace_state() != TraceState::NONE {
            return Glance::Other;
        }
        let leaf = leaves.last().filter(|leaf| leaf.is_innermost(cx));
        let started = Ticks::now();
        let parent = leaf
            .map(|leaf| leaf.span)
            .or_else(|| Parent::of(above))
            .unwrap_or_else(|| Parent::none(adopted(cx).unwrap_or_else(|| home.trace_id(started))));
        let mut live = spare.pop().unwrap_or_else(|| Self::fresh(site));
        if let Self { span: Span::Ours(recording), fields, .. } = &mut *live {
            let over = site.is_leaf.then(|| above.span_id());
            recording.begin(home, site, started, parent, over, fields);
            if !site.is_leaf {
                recording.stand_in(cx, TraceState::NONE);
            }
        }
        live.site = site;
        live.caller = if parent.is_remote { SpanId::INVALID } else { parent.id };
        live.phase = Phase::Idle;
        live.records = true;
        // It may be one that is used again, and remembers another time.
        live.panics = crate::panic::count();
        live.was_unwinding = std::thread::panicking();
        Glance::Started(live)
    }

    /// The short way into a span of ours that has just started.
    #[inline]
    pub(super) fn go_inside(&mut self, body: &'static str, thread: &mut Thread) {
        self.site.learn(body);
        if let Span::Ours(recording) = &mut self.span {
            recording.stand(thread, Stay::ForGood);
        }
        self.phase = Phase::Inside;
    }

    /// A call for a span of ours, where there is none to be used again.
    #[cold]
    #[inline(never)]
    fn fresh(site: &'static Callsite) -> Box<Self> {
        Self::new(site, Span::Ours(Recording::new()))
    }

    /// The last that happens to a call that went well.
    #[inline(never)]
    pub(super) fn end_well(self: Box<Self>) {
        if self.phase != Phase::Inside {
            self.finish_outside();
            return;
        }
        let mut call = Some(self);
        let gone = own::with(|thread| {
            let guard = call.as_mut()?.finish_at_home(thread)?.stand_back(thread);
            call = thread.keep(call.take()?);
            Some(Gone(guard))
        });
        // What goes is dropped here, where nothing is borrowed.
        match (gone.flatten(), call) {
            (Some(gone), _) => drop(gone),
            (None, Some(call)) => call.end_slowly(),
            (None, None) => {}
        }
    }

    /// As `end_well`, for a body that has left already.
    #[inline(never)]
    fn finish_outside(mut self: Box<Self>) {
        let has_left = self.phase == Phase::Done;
        if has_left && own::with(|thread| self.finish_at_home(thread).is_some()) == Some(true) {
            self.put_back();
        } else {
            self.end_slowly();
        }
    }

    /// The last that happens to a call that has more to it.
    #[cold]
    #[inline(never)]
    fn end_slowly(mut self: Box<Self>) {
        self.end();
        self.put_back();
    }

    /// The short way of a call that has a span of ours, and nothing to it that others must know of.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "both ways that use it are as short as it is")]
    fn finish_at_home(&mut self, thread: &mut Thread) -> Option<&mut Recording> {
        let Self { site, phase, records: true, span: Span::Ours(recording), fields, timing: None, .. } = self
        else {
            return None;
        };
        if outcome::has_seen(recording.id()) || !recording.end_at_home(site, fields, &mut thread.home) {
            return None;
        }
        *phase = Phase::Ended;
        fields.clear();
        Some(recording)
    }
}

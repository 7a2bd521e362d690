//! How a call is made: at once where nobody has to be asked, or waiting for what it will start with.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::SpanId;
use traced_core::switch::captures as has_captures;
use traced_core::{Callsite, Captures, Makers, Running as _, Stay};

use super::live::{Live, Phase, Span, Waiting};
use super::short::Glance;
use super::surroundings::{caller, surroundings};
use crate::callsite::Site as _;
use crate::fields::Fields;
use crate::own;
use crate::pipeline::{self, Pipeline};

impl Live {
    /// Calls can be made from now on.
    pub(crate) fn ready() {
        traced_core::ready(Makers {
            started: |site, body, captures| Some(Self::started(site, body, captures)? as _),
            waiting: |site| Some(Self::found(site)? as _),
            under: |site| Some(Self::under(site)? as _),
        });
    }

    #[inline]
    fn started(site: &'static Callsite, body: Option<&'static str>, captures: Captures) -> Option<Box<Self>> {
        if has_captures() {
            return Self::found_inside(site, body, captures);
        }
        let glance = own::with(|thread| {
            let mut glance = Self::glance(site, thread);
            if let (Glance::Started(live), Some(body)) = (&mut glance, body) {
                live.go_inside(body, thread);
            }
            glance
        });
        match glance.unwrap_or(Glance::Nothing) {
            Glance::Other => Self::found_inside(site, body, captures),
            Glance::Started(live) => Some(live),
            Glance::Nothing => None,
        }
    }

    #[inline(never)]
    fn found_inside(
        site: &'static Callsite,
        body: Option<&'static str>,
        captures: Captures,
    ) -> Option<Box<Self>> {
        let mut live = Self::found(site)?;
        if let Some(body) = body {
            let is_asked_later = captures == Captures::Attributes && live.is_asked_with_attributes();
            match &mut live.span {
                Span::Waiting(waiting) if is_asked_later => waiting.body = Some(body),
                _ => live.enter(body, Stay::ForGood),
            }
        }
        Some(live)
    }

    #[inline(never)]
    fn found(site: &'static Callsite) -> Option<Box<Self>> {
        // The next call finds it, and need not come here.
        let is_refused = own::with_home(|home| site.verdict().refuses_beside(home.admitted));
        if is_refused == Some(true) && !has_captures() {
            return None;
        }
        let (cx, over) = surroundings()?;
        let pipeline = Pipeline::of(&cx).filter(|pipeline| pipeline.admits(site))?;
        Some(Self::waiting(site, pipeline, cx, over))
    }

    /// A call that names its parent, and passes that on if it makes no span.
    #[inline(never)]
    fn under(site: &'static Callsite) -> Option<Box<Self>> {
        let (cx, over) = surroundings()?;
        match Pipeline::of(&cx) {
            Some(pipeline) if pipeline.admits(site) => Some(Self::waiting(site, pipeline, cx, over)),
            // A test's capture elsewhere is no set-up.
            None if !pipeline::is_switched_off() => None,
            _ => Some(Self::new(site, Span::Without { cx, for_good: false })),
        }
    }

    fn waiting(site: &'static Callsite, pipeline: Arc<Pipeline>, cx: Context, over: SpanId) -> Box<Self> {
        let caller = caller(&cx);
        let waiting = Waiting { pipeline, cx, root: false, links: Vec::new(), over: Some(over), body: None };
        let mut live = Self::new(site, Span::Waiting(Box::new(waiting)));
        live.caller = caller;
        live.panics = crate::panic::count();
        live.was_unwinding = std::thread::panicking();
        live
    }

    pub(super) fn new(site: &'static Callsite, span: Span) -> Box<Self> {
        Box::new(Self {
            site,
            caller: SpanId::INVALID,
            panics: 0,
            was_unwinding: false,
            phase: Phase::Waiting,
            records: false,
            span,
            fields: Fields::new(),
            timing: None,
        })
    }
}

//! The provider behind `opentelemetry::global`, so that spans of other code go where traced calls go.
//!
//! It is put in place by the first installed pipeline or capture, and asks for each span where its context
//! belongs: to a capture, to what is installed, or to the provider that was global before.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::{OnceLock, PoisonError, RwLock};

use opentelemetry::global::{self, BoxedSpan, BoxedTracer, GlobalTracerProvider};
use opentelemetry::trace::noop::NoopTracer;
use opentelemetry::trace::{SpanBuilder, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope};

use crate::context::Deciding;
use crate::pipeline::Pipeline;

#[derive(Debug)]
struct Router;

#[derive(Debug)]
struct Routed(InstrumentationScope);

/// The provider that was global before the router.
static BEFORE: OnceLock<RwLock<GlobalTracerProvider>> = OnceLock::new();

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Makes the router the global provider, unless it is already.
pub(crate) fn ensure() {
    static CHANGING: RwLock<()> = RwLock::new(());
    let _changing = CHANGING.write().unwrap_or_else(PoisonError::into_inner);
    let present = global::tracer_provider();
    if is_router(&present) {
        return;
    }
    let before = BEFORE.get_or_init(|| RwLock::new(present.clone()));
    *before.write().unwrap_or_else(PoisonError::into_inner) = present;
    global::set_tracer_provider(Router);
}

/// The provider the program itself made global, also while the router stands in front of it.
pub(crate) fn of_the_program() -> GlobalTracerProvider {
    let present = global::tracer_provider();
    match BEFORE.get() {
        Some(before) if is_router(&present) => before.read().unwrap_or_else(PoisonError::into_inner).clone(),
        _ => present,
    }
}

/// The global provider hides its type; the router is the one that answers a knock.
fn is_router(provider: &GlobalTracerProvider) -> bool {
    ASKED.set(false);
    let _ = provider.tracer("traced");
    ASKED.take()
}

impl TracerProvider for Router {
    type Tracer = Routed;

    fn tracer(&self, name: impl Into<Cow<'static, str>>) -> Routed {
        self.tracer_with_scope(InstrumentationScope::builder(name).build())
    }

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Routed {
        ASKED.set(true);
        Routed(scope)
    }
}

impl Tracer for Routed {
    type Span = BoxedSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> BoxedSpan {
        if Deciding::is_going_on() {
            return BoxedTracer::new(Box::new(NoopTracer::new())).build_with_context(builder, parent);
        }
        let tracer = match Pipeline::of(parent) {
            Some(pipeline) => pipeline.tracer(self.0.clone()),
            None => of_the_program().tracer_with_scope(self.0.clone()),
        };
        tracer.build_with_context(builder, parent)
    }
}

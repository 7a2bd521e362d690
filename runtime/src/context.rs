//! The current context, also while a thread is torn down.
//!
//! OpenTelemetry keeps it in a thread-local that panics when it is asked after its end, and a destructor of
//! another thread-local may well be traced. Ours ends before that one does, and knows.

use opentelemetry::{Context, ContextGuard};

use crate::own;
use crate::panic;
use crate::record::Leaf;

/// Shows OpenTelemetry's current context, and the leaf that is further inside, if one is; `None` where nothing is to be
/// traced: while the thread is torn down, or a sampler decides. `f` must attach and drop nothing.
#[inline]
pub(crate) fn glance<R>(f: impl FnOnce(&Context, Option<Leaf>) -> R) -> Option<R> {
    own::with(|thread| {
        let leaf = thread.leaves.last();
        (!thread.is_deciding)
            .then(|| Context::map_current(|cx| f(cx, leaf.filter(|leaf| leaf.is_innermost(cx)).copied())))
    })
    .flatten()
}

/// The current context, in which a leaf stands as well; `None` where nothing is to be traced.
pub(crate) fn current() -> Option<Context> {
    glance(|cx, leaf| leaf.map_or_else(|| cx.clone(), |leaf| leaf.context(cx)))
}

/// While it lives, a sampler is being asked on this thread, and nothing it does is traced.
pub(crate) struct Deciding(());

impl Deciding {
    pub(crate) fn enter() -> Self {
        own::with(|thread| thread.is_deciding = true);
        Self(())
    }

    pub(crate) fn is_going_on() -> bool {
        own::with(|thread| thread.is_deciding).unwrap_or_default()
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        own::with(|thread| thread.is_deciding = false);
    }
}

/// Makes `cx` current until the guard goes; while the thread is torn down, or OpenTelemetry has its contexts borrowed,
/// does nothing.
pub(crate) fn attach(cx: Context) -> Option<ContextGuard> {
    own::with(|_| ())?;
    panic::quietly(|| cx.attach())
}

/// Drops a guard that may have been kept for long: while the thread is torn down there is nothing to detach from.
pub(crate) fn detach(guard: Option<ContextGuard>) {
    if own::with(|_| ()).is_none() {
        std::mem::forget(guard);
    }
}

/// Makes `cx` current until the matching `pop`.
#[inline]
pub(crate) fn push(cx: Context) {
    let mut cx = Some(cx);
    own::with(|thread| cx.take().map(|cx| thread.attach(cx)));
}

/// Detaches what was pushed last.
#[inline]
pub(crate) fn pop() {
    let guard = own::with(own::Thread::detach);
    drop(guard);
}

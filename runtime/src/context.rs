//! The current context, also while a thread is torn down.
//!
//! OpenTelemetry keeps it in a thread-local that panics when it is asked after its end, and a destructor of
//! another thread-local may well be traced. Ours ends before that one does, and knows.

use std::cell::{Cell, RefCell};

use opentelemetry::{Context, ContextGuard};

thread_local! {
    /// The contexts attached for the bodies on this thread, innermost last. They stand here since a guard belongs to
    /// its thread, and a call may go to another one.
    static ATTACHED: RefCell<Vec<ContextGuard>> = {
        // Asked for first, OpenTelemetry's own thread-local is the later of the two to go.
        let _ = Context::current();
        RefCell::new(Vec::new())
    };
}

thread_local! {
    static DECIDING: Cell<bool> = const { Cell::new(false) };
}

/// The current context; `None` where nothing is to be traced: while the thread is torn down, or a sampler decides.
pub(crate) fn current() -> Option<Context> {
    if DECIDING.get() {
        return None;
    }
    ATTACHED.try_with(|_| Context::current()).ok()
}

/// While it lives, a sampler is being asked on this thread, and nothing it does is traced.
pub(crate) struct Deciding(());

impl Deciding {
    pub(crate) fn enter() -> Self {
        DECIDING.set(true);
        Self(())
    }

    pub(crate) fn is_going_on() -> bool {
        DECIDING.get()
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        DECIDING.set(false);
    }
}

/// Makes `cx` current until the guard goes; while the thread is torn down, does nothing.
pub(crate) fn attach(cx: Context) -> Option<ContextGuard> {
    ATTACHED.try_with(|_| cx.attach()).ok()
}

/// Makes `cx` current until the matching `pop`.
pub(crate) fn push(cx: Context) {
    let _ = ATTACHED.try_with(|attached| {
        let guard = cx.attach();
        attached.borrow_mut().push(guard);
    });
}

/// Detaches what was pushed last.
pub(crate) fn pop() {
    let guard = ATTACHED.try_with(|attached| attached.borrow_mut().pop());
    drop(guard);
}

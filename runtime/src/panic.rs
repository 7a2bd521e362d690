//! What the last panic on this thread said, and where.
//!
//! A span learns that it is being unwound from its own drop; the message and the place are known only to the
//! panic hook. Ours notes them and calls the hook that was there, so that nothing else changes.

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// The message and place of a panic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) place: String,
    /// Its number among all of the process, by which a span knows whether it came after its body was entered.
    number: u64,
    /// Whether a span has recorded it: the innermost does, the outer ones are only marked.
    recorded: bool,
    /// The one before, which may be unwinding still if this one is caught.
    previous: Option<Box<Self>>,
}

static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether a panic is expected here, and nobody's concern.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Puts our hook in front of the present one, once per process.
pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    // The hook cannot be replaced by a thread that is panicking.
    if std::thread::panicking() {
        return;
    }
    LISTENING.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                return;
            }
            if crate::pipeline::is_set_up() {
                note(info);
            }
            next(info);
        }));
    });
}

/// Runs what may panic where only a panic says that it cannot be done; `None` then.
#[inline]
pub(crate) fn quietly<R>(run: impl FnOnce() -> R) -> Option<R> {
    let before = QUIET.replace(true);
    // `AssertUnwindSafe`: what is run either happens or does not.
    let result = std::panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(before);
    result.ok()
}

fn note(info: &std::panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic whose payload is not a string");
    let panic = Panic {
        message: crate::value::cut(message).to_owned(),
        place: info.location().map(ToString::to_string).unwrap_or_default(),
        number: next(),
        recorded: false,
        previous: None,
    };
    replace(|last| {
        let previous = last.map(|last| Box::new(Panic { previous: None, ..last }));
        Some(Panic { previous, ..panic })
    });
}

/// How many panics there have been.
#[inline]
pub(crate) fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn next() -> u64 {
    COUNT.fetch_add(1, Ordering::Relaxed) + 1
}

/// A panic of this thread was caught and is nobody's concern.
pub(crate) fn caught() {
    replace(|last| last?.previous.map(|previous| *previous));
}

fn replace(by: impl FnOnce(Option<Panic>) -> Option<Panic>) {
    // During the thread's own teardown there is nowhere to note it, and nobody to read it.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = by(last.take());
        }
    });
}

/// The panic that unwinds a body entered after `entered` panics, and whether its span is the first to ask.
pub(crate) fn unwinding(entered: u64) -> (Panic, bool) {
    let noted = LAST.try_with(|last| {
        let mut last = last.try_borrow_mut().ok()?;
        let is_this = last.as_ref().is_some_and(|panic| panic.number > entered);
        if !is_this {
            // It was resumed, which calls no hook, or somebody replaced ours: it is certain, its words are not.
            *last = Some(Panic { message: "panicked".to_owned(), number: next(), ..Panic::default() });
        }
        let panic = last.as_mut()?;
        let first = !std::mem::replace(&mut panic.recorded, true);
        Some((panic.clone(), first))
    });
    noted
        .ok()
        .flatten()
        .unwrap_or_else(|| (Panic { message: "panicked".to_owned(), ..Panic::default() }, true))
}

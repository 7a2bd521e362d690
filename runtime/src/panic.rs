//! What the last panic on this thread said, and where.
//!
//! A span learns that it is being unwound from its own drop; the message and the place are known only to the
//! panic hook. Ours notes them and calls the hook that was there, so that nothing else changes.

use std::cell::RefCell;
use std::sync::Once;

/// The message and place of a panic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) place: String,
    /// Whether a span has recorded it: the innermost does, the outer ones are only marked.
    recorded: bool,
}

thread_local! {
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
            if crate::pipeline::enabled() {
                note(info);
            }
            next(info);
        }));
    });
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
        recorded: false,
    };
    // During the thread's own teardown there is nowhere to note it, and nobody to read it.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(panic);
        }
    });
}

/// The panic that is unwinding this thread, and whether it is the first span to ask about it.
pub(crate) fn unwinding() -> (Panic, bool) {
    let noted = LAST.try_with(|last| {
        let mut last = last.try_borrow_mut().ok()?;
        let panic = last.as_mut()?;
        let first = !std::mem::replace(&mut panic.recorded, true);
        Some((panic.clone(), first))
    });
    match noted {
        Ok(Some(found)) => found,
        // Somebody replaced our hook: the panic is certain, its words are not known.
        _ => (Panic { message: "panicked".to_owned(), ..Panic::default() }, true),
    }
}

//! Whether anything is set up: what every call asks first, and the whole cost of one where nothing is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What calls ask, apart from what others write.
#[derive(Debug)]
#[repr(align(128))]
pub struct State {
    /// How many sinks there are: the installed pipeline, unless it is paused, and each running capture.
    pub sinks: AtomicUsize,
    /// As `sinks`, and with what is paused: its open spans are still written to.
    pub set_up: AtomicUsize,
    /// As `set_up`, and with what is switched off: contexts of callers pass through.
    pub passed: AtomicUsize,
    /// How many set-ups are switched off.
    pub switched_off: AtomicUsize,
    /// How many captures run.
    pub captures: AtomicUsize,
    /// The epoch of what is installed, which changes with what is said of it; zero for nothing.
    pub installed: AtomicU64,
}

/// The process's one.
pub static STATE: State = State {
    sinks: AtomicUsize::new(0),
    set_up: AtomicUsize::new(0),
    passed: AtomicUsize::new(0),
    switched_off: AtomicUsize::new(0),
    captures: AtomicUsize::new(0),
    installed: AtomicU64::new(0),
};

/// Whether any call may be recorded at all.
#[inline]
pub fn enabled() -> bool {
    STATE.sinks.load(Ordering::Relaxed) != 0
}

/// Whether a call passes on what its caller sent, be it recorded or not.
#[inline]
pub fn passes() -> bool {
    STATE.passed.load(Ordering::Relaxed) != 0
}

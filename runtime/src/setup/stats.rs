//! What became of the spans.

/// What became of the spans so far; see [`Tracing::stats`](crate::Tracing::stats).
///
/// `started` is the sum of the others, but for `retried`. With several exporters, `waiting`, `exported`, `dropped` and
/// `retried` are those of the one that got the fewest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Recorded spans that have begun.
    pub started: u64,
    /// Spans that have begun and not ended.
    pub open: u64,
    /// Spans that have ended and wait to be handed over.
    pub waiting: u64,
    /// Spans that were handed over.
    pub exported: u64,
    /// Spans that were lost, and why.
    pub dropped: Dropped,
    /// Tries to hand spans over that failed and were not the last: the receiver was away, or had too much to do.
    pub retried: u64,
    /// Traces that tail sampling decided before their root had ended.
    pub early: Early,
}

/// Why [tail sampling](crate::sampling::Tail) decided traces before their root had ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Early {
    /// They were held for as long as it has patience.
    pub too_old: u64,
    /// They were the oldest when there was no room for more.
    pub no_room: u64,
}

/// Why spans were lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The queue had no room.
    pub queue_full: u64,
    /// The exporter failed or panicked; or what it tried again and again was taken by nobody.
    pub export_failed: u64,
    /// The receiver took the rest of what it got, and not these.
    pub rejected: u64,
    /// The set-up had ended.
    pub after_shutdown: u64,
    /// There is no exporter: the environment says `none`.
    pub no_exporter: u64,
    /// Tail sampling did not keep their trace.
    pub not_kept: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, spans)| spans).sum()
    }

    /// Each reason by its name, with the spans it cost.
    pub(crate) fn by_reason(&self) -> [(&'static str, u64); 6] {
        let Self { queue_full, export_failed, rejected, after_shutdown, no_exporter, not_kept } = *self;
        [
            ("queue_full", queue_full),
            ("export_failed", export_failed),
            ("rejected", rejected),
            ("after_shutdown", after_shutdown),
            ("no_exporter", no_exporter),
            ("not_kept", not_kept),
        ]
    }
}

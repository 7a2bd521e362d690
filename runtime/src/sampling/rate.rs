//! So many traces a second, and no more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use opentelemetry::trace::{Link, SpanKind, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingResult, ShouldSample};

use super::{decided, followed};

/// Keeps so many traces a second, and no more; a span with a parent does what its parent did.
///
/// ```
/// use traced::sampling::PerSecond;
///
/// #[traced::traced]
/// fn handle() {}
///
/// let tracing = traced::builder("shop").sampler(PerSecond::new(0.01).burst(3)).install()?;
/// for _ in 0..100 {
///     handle();
/// }
/// assert_eq!(tracing.stats().started, 3);
/// # Ok::<(), traced::SetupError>(())
/// ```
///
/// It is a bucket that holds as many traces as [`burst`](Self::burst) says, full at first, and is filled again at the rate. A
/// copy shares it. The clock is monotonic, and nobody waits for anybody. A rate that is 0, less, or no number keeps none.
#[derive(Debug, Clone)]
pub struct PerSecond {
    rate: f64,
    burst: u32,
    bucket: Arc<Bucket>,
}

impl PerSecond {
    /// So many traces a second; `0.1` is one in ten seconds. The bucket holds those of a second, and one at least.
    pub fn new(traces: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as many as there are, at most"
        )]
        Self::with(traces, traces.ceil().max(1.0) as u32)
    }

    /// How many traces the bucket holds: so many may come at once, after a while without any. At least one.
    pub fn burst(self, traces: u32) -> Self {
        Self::with(self.rate, traces.max(1))
    }

    fn with(rate: f64, burst: u32) -> Self {
        Self { rate, burst, bucket: Arc::new(Bucket::new(rate, burst)) }
    }
}

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} a second, {} at once", self.rate, self.burst)
    }
}

impl ShouldSample for PerSecond {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        followed(parent).unwrap_or_else(|| decided(self.bucket.take(), TraceState::NONE))
    }
}

/// A bucket of tokens as one number: the time at which all that was taken will have been filled in again.
#[derive(Debug)]
struct Bucket {
    /// Nanoseconds for a token, and for all there is room for; `None` where none ever comes.
    every: Option<u64>,
    room: u64,
    began: Instant,
    filled: AtomicU64,
}

/// A token in seventy years, and all there is room for in three hundred, leave sums that fit.
const SELDOM: u64 = u64::MAX / 8;
const MOST: u64 = u64::MAX / 2;

impl Bucket {
    fn new(rate: f64, burst: u32) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is cut, and above zero"
        )]
        let every = (rate > 0.0).then(|| ((1e9 / rate) as u64).min(SELDOM));
        let room = every.unwrap_or_default().saturating_mul(burst.into()).min(MOST);
        Self { every, room, began: Instant::now(), filled: AtomicU64::new(0) }
    }

    fn take(&self) -> bool {
        self.take_at(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn take_at(&self, now: u64) -> bool {
        let Some(every) = self.every else { return false };
        let take = |filled: u64| {
            let after = filled.max(now).saturating_add(every);
            (after <= now.saturating_add(self.room)).then_some(after)
        };
        self.filled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_bucket_holds_its_burst_and_is_filled_at_its_rate() {
        let bucket = Bucket::new(10.0, 3);
        let taken = |now: u64| (0..100).filter(|_| bucket.take_at(now)).count();
        assert_eq!(taken(0), 3);
        assert_eq!(taken(SECOND / 10 - 1), 0);
        assert_eq!(taken(SECOND / 10), 1);
        assert_eq!(taken(SECOND), 3, "no more than there is room for");
        assert_eq!(taken(SECOND / 2), 0, "another core's clock may be behind");
    }

    #[test]
    fn odd_rates_keep_none_or_all() {
        let taken = |rate: f64, burst| {
            let bucket = Bucket::new(rate, burst);
            (0..1000).filter(|_| bucket.take_at(7)).count()
        };
        assert_eq!([0.0, -1.0, f64::NAN].map(|rate| taken(rate, 5)), [0; 3]);
        assert_eq!(taken(f64::INFINITY, 1), 1000);
        assert_eq!(taken(f64::MIN_POSITIVE, 1), 1);
        assert_eq!(taken(1e-9, 2), 2);
    }

    #[test]
    fn threads_share_a_bucket_to_the_trace() {
        let limit = PerSecond::new(1e-6).burst(1000);
        let kept: usize = std::thread::scope(|scope| {
            let take = || (0..2000).filter(|_| limit.bucket.take()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(kept, 1000);
    }
}

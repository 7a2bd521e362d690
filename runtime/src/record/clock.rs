//! Time at the price of reading a counter, and its way back to the calendar.
//!
//! quanta reads the processor's counter where that runs steadily, and the system's monotonic clock elsewhere. It
//! measures the counter's rate when it is first asked, in under a millisecond here; others do so before `main`, in every
//! program that links them. What the calendar says is noted beside the counter at set-up, and again whenever the two have
//! come apart: a duration never sees a clock that jumps, and a start follows it from the next note on.

use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quanta::Clock;

use crate::pipeline::Alone;

static CLOCK: Alone<LazyLock<Clock>> = Alone(LazyLock::new(Clock::new));
static CALENDAR: RwLock<Option<Arc<Calendar>>> = RwLock::new(None);
/// The first note, from which the rate is measured ever better.
static FIRST: OnceLock<(Instant, Ticks)> = OnceLock::new();

/// A reading of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Ticks(pub(crate) u64);

impl Ticks {
    #[inline]
    pub(crate) fn now() -> Self {
        Self(CLOCK.0.raw())
    }
}

/// Notes what the calendar says now, if it is not what the last note leads to.
pub(crate) fn note() {
    let rate = measure();
    let (ticks, unix) = both();
    let before = calendar();
    if !before.is_right(ticks, unix) || !before.is_rate(rate) {
        let mut after = (*before).clone();
        after.rate = rate;
        after.note(ticks, unix);
        *CALENDAR.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(after));
    }
}

/// The calendar as it is noted by now.
pub(crate) fn calendar() -> Arc<Calendar> {
    CALENDAR.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// How long the rate is measured before it is believed.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

/// Nanoseconds of a tick, better than quanta knows them; `None` at first.
fn measure() -> Option<f64> {
    let now = Ticks::now();
    let (first, ticks) = *FIRST.get_or_init(|| (Instant::now(), now));
    let (time, ticks) = (first.elapsed(), now.0.saturating_sub(ticks.0));
    (time > LONG_ENOUGH && ticks > 0).then(|| time.as_secs_f64() * 1e9 / approximate(ticks))
}

#[expect(clippy::cast_precision_loss, reason = "a part in 2⁵³ is less than any clock knows")]
fn approximate(ticks: u64) -> f64 {
    ticks as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "585 years end at the last number there is"
)]
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds as u64
}

/// Counter and calendar at one moment: of a few tries, the one that was disturbed least.
fn both() -> (Ticks, Duration) {
    let tries = (0..4).map(|_| {
        let (before, unix, after) = (Ticks::now(), unix_now(), Ticks::now());
        (after.0.saturating_sub(before.0), before, unix)
    });
    let (_, ticks, unix) = tries.min_by_key(|(took, ..)| *took).unwrap_or((0, Ticks::now(), unix_now()));
    (ticks, unix)
}

/// A time as it is noted: by the counter, or as other code said it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Read(Ticks),
    Said(SystemTime),
}

impl Moment {
    #[inline]
    pub(crate) fn now() -> Self {
        Self::Read(Ticks::now())
    }

    /// What other code says of a time. Who says what time it is means now, and no other clock than ours.
    pub(crate) fn of(said: SystemTime) -> Self {
        let age = SystemTime::now().duration_since(said);
        if age.is_ok_and(|age| age < TOLERANCE) { Self::now() } else { Self::Said(said) }
    }
}

/// What other code says of a time in a span: its clock is not quite ours, so what is just outside is at the edge.
pub(crate) fn within(said: SystemTime, start: SystemTime, end: SystemTime) -> SystemTime {
    let near = |edge: SystemTime, apart: Duration| if apart < 3 * TOLERANCE { edge } else { said };
    match (start.duration_since(said), said.duration_since(end)) {
        (Ok(before), _) => near(start, before),
        (_, Ok(after)) => near(end, after),
        _ => said,
    }
}

fn unix_now() -> Duration {
    // A calendar before 1970 is not set yet.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How far the calendar may be from where the last note leads before there is a new one. One note serves as long as it
/// can, so that the spans of a trace stand right among each other.
const TOLERANCE: Duration = Duration::from_micros(20);
/// A calendar that is set all the time pushes the oldest notes out.
const NOTES: usize = 256;

/// What the calendar said at some readings, in their order, and what a tick is. Times that are read by one of these stand
/// right among each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calendar {
    notes: Vec<(Ticks, Duration)>,
    rate: Option<f64>,
}

impl Calendar {
    /// The calendar's time of a reading.
    pub(crate) fn time(&self, ticks: Ticks) -> SystemTime {
        UNIX_EPOCH + self.unix(ticks)
    }

    /// When that was.
    pub(crate) fn when(&self, moment: Moment) -> SystemTime {
        match moment {
            Moment::Read(ticks) => self.time(ticks),
            Moment::Said(time) => time,
        }
    }

    /// When that was in a span which started then: two readings are as far apart as the counter says.
    pub(crate) fn when_since(&self, start: Moment, moment: Moment) -> SystemTime {
        match (start, moment) {
            (Moment::Read(start), Moment::Read(ticks)) => self.time(start) + self.between(start, ticks),
            _ => self.when(moment),
        }
    }

    /// The time from one reading to another; none if the counter went backwards.
    pub(crate) fn between(&self, earlier: Ticks, later: Ticks) -> Duration {
        let ticks = later.0.saturating_sub(earlier.0);
        match self.rate {
            None => CLOCK.0.delta(0, ticks),
            Some(rate) => Duration::from_nanos(whole(rate * approximate(ticks))),
        }
    }

    /// Whether the rate is as good as that one: to a millionth.
    fn is_rate(&self, rate: Option<f64>) -> bool {
        match (self.rate, rate) {
            (Some(ours), Some(rate)) => (ours / rate - 1.0).abs() < 1e-6,
            (ours, rate) => ours.is_some() == rate.is_some(),
        }
    }

    fn is_right(&self, ticks: Ticks, unix: Duration) -> bool {
        !self.notes.is_empty() && self.unix(ticks).abs_diff(unix) < TOLERANCE
    }

    fn note(&mut self, ticks: Ticks, unix: Duration) {
        if self.is_right(ticks, unix) {
            return;
        }
        if self.notes.len() == NOTES {
            self.notes.remove(0);
        }
        let place = self.notes.partition_point(|&(noted, _)| noted <= ticks);
        self.notes.insert(place, (ticks, unix));
    }

    /// Counted from the last note before the reading, or back from the first.
    fn unix(&self, ticks: Ticks) -> Duration {
        let behind = self.notes.partition_point(|&(noted, _)| noted <= ticks);
        let Some(&(noted, unix)) = self.notes.get(behind.saturating_sub(1)) else { return unix_now() };
        if noted <= ticks {
            unix.saturating_add(self.between(noted, ticks))
        } else {
            unix.saturating_sub(self.between(ticks, noted))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Calendar, NOTES, Ticks};

    /// The reading that many milliseconds after another.
    fn after(milliseconds: u64) -> Ticks {
        let second = u64::try_from(
            (1_u128 << 40) * 1_000_000_000 / Calendar::default().between(Ticks(0), Ticks(1 << 40)).as_nanos(),
        );
        Ticks(1_000_000 + second.unwrap() * milliseconds / 1000)
    }

    fn near(is: Duration, milliseconds: u64) -> bool {
        is.abs_diff(Duration::from_millis(milliseconds)) < Duration::from_micros(100)
    }

    #[test]
    fn a_reading_is_placed_by_the_last_note_before_it() {
        let mut calendar = Calendar::default();
        calendar.note(after(1000), Duration::from_secs(5));
        assert!(near(calendar.unix(after(1500)), 5500));
        assert!(near(calendar.unix(after(400)), 4400));
    }

    #[test]
    fn a_calendar_that_keeps_step_is_noted_once() {
        let mut calendar = Calendar::default();
        for step in 1..100 {
            calendar.note(after(step * 10), Duration::from_millis(step * 10));
        }
        assert_eq!(calendar.notes.len(), 1);
    }

    #[test]
    fn a_clock_that_jumps_moves_what_starts_after_and_no_duration() {
        let mut calendar = Calendar::default();
        calendar.note(after(1000), Duration::from_secs(1));
        // An hour forward, then back to the beginning.
        calendar.note(after(2000), Duration::from_secs(3602));
        calendar.note(after(3000), Duration::from_millis(3));
        assert!(near(calendar.unix(after(1900)), 1900));
        assert!(near(calendar.unix(after(2100)), 3_602_100));
        assert!(near(calendar.unix(after(3100)), 103));
        assert_eq!(calendar.between(after(2100), after(1900)), Duration::ZERO);
        assert!(near(calendar.between(after(1900), after(2100)), 200));
    }

    #[test]
    fn a_clock_that_jumps_all_the_time_costs_no_memory() {
        let mut calendar = Calendar::default();
        for jump in 0..10_000 {
            calendar.note(after(jump), Duration::from_secs(jump % 7 * 3600));
        }
        assert_eq!(calendar.notes.len(), NOTES);
    }
}

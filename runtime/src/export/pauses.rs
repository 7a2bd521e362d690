//! How long to wait before something is tried again.

use std::time::Duration;

/// The first pause and the longest, before chance makes them shorter.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// How long a receiver may ask for, and be heard.
const BIDDEN: Duration = Duration::from_secs(60);

/// Pauses that grow until something succeeds. Chance keeps processes from trying all at once.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    hurries: bool,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST, hurries: false }
    }
}

impl Pauses {
    /// The next pause: as long as was asked for, or longer than the last one.
    pub(super) fn next(&mut self, after: Option<Duration>) -> Duration {
        let own = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(LONGEST);
        match after {
            Some(after) => after.min(BIDDEN).mul_f64(1.0 + fastrand::f64() / 10.0).max(own),
            None => own,
        }
    }

    /// There is not much time left: pauses begin again, once.
    pub(super) fn hurry(&mut self) {
        if !std::mem::replace(&mut self.hurries, true) {
            self.next = FIRST;
        }
    }

    pub(super) fn over(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_again() {
        let mut pauses = Pauses::default();
        let mut longest = FIRST;
        for _ in 0..20 {
            let pause = pauses.next(None);
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?}");
            longest = (longest * 2).min(LONGEST);
        }
        assert_eq!(longest, LONGEST);
        pauses.over();
        assert!(pauses.next(None) <= FIRST);
    }

    #[test]
    fn who_asks_for_a_pause_gets_it_and_no_day_of_it() {
        let mut pauses = Pauses::default();
        let second = Duration::from_secs(1);
        let pause = pauses.next(Some(second));
        assert!(pause >= second && pause <= second.mul_f64(1.11), "{pause:?}");
        assert!(pauses.next(Some(Duration::from_secs(u64::MAX))) <= BIDDEN.mul_f64(1.11));
        assert!(pauses.next(Some(Duration::ZERO)) >= FIRST, "at once would be too often");
    }
}

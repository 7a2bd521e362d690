//! From the thread that ends a span to the one that collects: a ring for each thread, and what it counts.
//!
//! Writing takes no lock and no atomic step that other cores wait for. A ring begins small and is replaced by a
//! larger one when it is full, as long as the pipeline's budget allows; then the newest spans are dropped, and
//! counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prefetch_index::prefetch_index;
use rtrb::{Consumer, Producer};

use super::collector::Collector;
use super::slot::{Parcel, Pieces, Slot};

/// The slots of a thread's first ring, and of its last.
const SMALLEST: usize = 256;
const LARGEST: usize = 131_072;
/// From this size on, so many slots in a ring wake the collector, and it is looked at again after so many more: it may take
/// milliseconds until it runs. A smaller ring can still grow, and the collector comes by itself.
const WAKES: usize = 65_536;
const MANY: usize = 16_384;
const MORE: usize = 4_096;
const GROWTH: usize = 4;
/// So far ahead a ring's memory is asked for. Where a slot goes was last touched a whole round ago and is in no near cache; a
/// write can wait for it unseen, but not the next atomic step of this thread, which comes with the end of every context.
const AHEAD: usize = 8;

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Only for the thread that the number belongs to: no other must write it.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of the spans that a thread started, and of those that it ended.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauge {
    pub(crate) started: Count,
    pub(crate) ended: Count,
    pub(crate) no_room: Count,
    pub(crate) too_late: Count,
}

/// A thread's end of its ring.
pub(crate) struct Writer {
    ring: Producer<Slot>,
    /// What goes beside the slots. It has room for as many, and is written first.
    parcels: Producer<Parcel>,
    gauge: Arc<Gauge>,
    collector: Arc<Collector>,
    /// With less room than this, the ring is to be looked at.
    alarm: usize,
}

/// The collector's end of a ring.
pub(crate) struct Reader {
    pub(crate) ring: Consumer<Slot>,
    pub(crate) parcels: Consumer<Parcel>,
    /// The bytes of the budget that the ring has taken.
    pub(crate) reserved: usize,
    /// How much there was in it when all rings were looked at, and whether its thread had let go of it.
    pub(crate) seen: usize,
    pub(crate) is_abandoned: bool,
}

/// The room of a ring of that size in which there is too much to wait any longer.
fn alarm(slots: usize) -> usize {
    if slots < WAKES { 0 } else { slots - MANY }
}

fn bytes(slots: usize) -> usize {
    slots * (size_of::<Slot>() + size_of::<Parcel>())
}

impl Writer {
    pub(crate) fn new(collector: Arc<Collector>) -> Self {
        let gauge = collector.gauge();
        // The first ring is there whatever the budget: without it, nothing would ever come from this thread.
        let (ring, parcels) = collector.ring(SMALLEST, 0);
        Self { ring, parcels, gauge, collector, alarm: alarm(SMALLEST) }
    }

    /// Counts a span that starts here.
    #[inline]
    pub(crate) fn started(&self) {
        self.gauge.started.add(1);
    }

    /// Counts a span that ends here.
    #[inline]
    pub(crate) fn ended(&self) {
        self.gauge.ended.add(1);
    }

    /// Writes a record: its head, which is made where it stays, and what is behind, of which nothing is left.
    ///
    /// A head that was put together elsewhere would be read in larger parts than it was written in just now, which a processor
    /// cannot forward from one to the other: it waits until all is written.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a head is made where it stays")]
    pub(crate) fn write(&mut self, behind: &mut Pieces, head: impl FnOnce(usize) -> Slot) {
        let (following, room) = (behind.slots.len(), self.ring.cached_slots());
        let is_ready = behind.parcels.is_empty() && self.collector.takes() && room > following;
        if (is_ready || self.make_ready(behind)) && !self.put(head, &behind.slots) {
            self.gauge.no_room.add(1);
        }
        if !behind.is_empty() {
            behind.clear();
        }
        if room < self.alarm {
            self.look();
        }
    }

    /// Writes slots, for which there is room.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as `write`")]
    fn put(&mut self, head: impl FnOnce(usize) -> Slot, behind: &[Slot]) -> bool {
        let Ok(mut room) = self.ring.write_chunk(1 + behind.len()) else { return false };
        let (near, far) = room.as_mut_slices();
        for slots in AHEAD..=AHEAD + behind.len().min(AHEAD) {
            prefetch_index(&*near, slots);
        }
        let Some((place, near)) = near.split_first_mut() else { return false };
        *place = head(behind.len());
        for (place, slot) in near.iter_mut().chain(far).zip(behind) {
            *place = *slot;
        }
        room.commit_all();
        true
    }

    /// Makes room for a record, and sends what goes beside its slots. What there is no room for, or no time any more, is
    /// counted.
    #[cold]
    #[inline(never)]
    fn make_ready(&mut self, behind: &mut Pieces) -> bool {
        if !self.collector.takes() {
            self.gauge.too_late.add(1);
            return false;
        }
        let is_ready = self.has_room(1 + behind.slots.len()) && self.send_parcels(behind);
        // The ring was looked at, or is another one.
        self.alarm = alarm(self.ring.buffer().capacity());
        if !is_ready {
            self.gauge.no_room.add(1);
            self.collector.wake();
        }
        is_ready
    }

    /// Writes what goes beside, if there are so many bytes.
    fn send_parcels(&mut self, behind: &mut Pieces) -> bool {
        let Ok(room) = self.parcels.write_chunk_uninit(behind.parcels.len()) else { return false };
        let bytes = behind.parcels.iter().map(Parcel::heap).sum();
        let is_taken = bytes == 0 || self.collector.reserve(bytes);
        if is_taken {
            room.fill_from_iter(behind.parcels.drain(..));
        }
        is_taken
    }

    /// Whether so many slots may be added. A full ring is replaced by a larger one.
    #[inline]
    fn has_room(&mut self, slots: usize) -> bool {
        self.ring.cached_slots() >= slots || self.ring.slots() >= slots || self.grow(slots)
    }

    /// Wakes the collector, if there is much in the ring indeed.
    #[cold]
    #[inline(never)]
    fn look(&mut self) {
        let (slots, room) = (self.ring.buffer().capacity(), self.ring.slots());
        self.alarm = alarm(slots);
        if room < self.alarm {
            self.collector.wake();
            self.alarm = room.saturating_sub(MORE);
        }
    }

    /// A larger ring in the place of the full one, which the collector empties first; none in a process that was forked, where
    /// nobody empties it and who had the locks is gone.
    #[cold]
    fn grow(&mut self, needed: usize) -> bool {
        if !self.collector.is_here() {
            return false;
        }
        let present = self.ring.buffer().capacity();
        let slots = (present * GROWTH).max(needed.next_power_of_two()).min(LARGEST);
        if slots == present || slots < needed || !self.collector.reserve(bytes(slots)) {
            return false;
        }
        (self.ring, self.parcels) = self.collector.ring(slots, bytes(slots));
        true
    }
}

//! The one thread that empties the rings, and the queues of the exporters it fills.
//!
//! It looks often while spans come and seldom while none do; a thread whose ring fills up wakes it. What it takes out
//! goes to every exporter's queue as it is, shared and not copied: exporters make of it what they need, on their own
//! threads.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::trace::SpanData;
use rtrb::{Producer, RingBuffer};

use super::clock;
use super::lock;
use super::ring::{Gauge, Reader};
use super::slot::{self, Parcel, Pieces, Record, Slot};
use crate::export::{Answer, Outlet};
use crate::pipeline::Alone;

/// How long the collector sleeps: at least, and when nothing has come for a while.
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_millis(100);
/// How often the calendar is compared with the counter.
const NOTE: Duration = Duration::from_secs(1);
/// About how many slots go to the exporters in one piece, and about how many bytes beside them.
const BATCH: usize = 4096;
/// How many slots most records have at most: by so many a batch is more than full.
const OVER: usize = 64;
const BESIDE: usize = 1 << 20;

/// Records, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) pieces: Pieces,
    pub(crate) spans: usize,
    pub(crate) heap: usize,
}

impl Batch {
    /// Adds a record, in its two parts.
    fn add(&mut self, parts: [&[Slot]; 2], parcels: &mut impl Iterator<Item = Parcel>) {
        for part in parts {
            self.pieces.slots.extend_from_slice(part);
            let count = part.iter().filter(|slot| slot.has_parcel()).count();
            for parcel in parcels.take(count) {
                self.heap += parcel.heap();
                self.pieces.parcels.push(parcel);
            }
        }
        self.spans += 1;
    }

    /// Makes room for so many slots more, or for as many as make it full.
    fn expect(&mut self, more: usize) {
        let slots = &mut self.pieces.slots;
        slots.reserve_exact((slots.len() + more).min(BATCH + OVER).saturating_sub(slots.len()));
    }

    /// Gives back room that is not used, where that is much: it may wait for long, and is copied for it.
    fn fit(&mut self) {
        let Pieces { slots, parcels } = &mut self.pieces;
        if slots.len() < slots.capacity() / 2 {
            slots.shrink_to_fit();
        }
        parcels.shrink_to_fit();
    }

    /// Whether there is enough in it for a piece.
    fn is_full(&self) -> bool {
        self.pieces.slots.len() >= BATCH || self.heap >= BESIDE
    }

    /// The records.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = self.pieces.all();
        std::iter::from_fn(move || {
            let (record, behind) = rest.split_first()?;
            rest = behind;
            Some(record)
        })
    }

    /// The spans, read.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        let mut spans = Vec::new();
        let calendar = clock::calendar();
        self.records().for_each(|record| slot::read(record, &calendar, &mut spans));
        spans
    }

    /// How many bytes it holds, with the room in it that is not used.
    pub(crate) fn bytes(&self) -> usize {
        let Pieces { slots, parcels } = &self.pieces;
        slots.capacity() * size_of::<Slot>() + parcels.capacity() * size_of::<Parcel>() + self.heap
    }
}

/// Records that are not handed out yet, in pieces.
#[derive(Default)]
struct Pile {
    full: Vec<Batch>,
    last: Batch,
}

impl Pile {
    fn add(&mut self, parts: [&[Slot]; 2], parcels: &mut impl Iterator<Item = Parcel>) {
        self.last.add(parts, parcels);
        if self.last.is_full() {
            self.full.push(std::mem::take(&mut self.last));
        }
    }

    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.last.spans == 0
    }
}

/// Where the rings of a pipeline come together.
pub(crate) struct Collector {
    outlet: Outlet,
    /// Rings that the thread has not seen yet.
    added: Mutex<Vec<Reader>>,
    gauges: Mutex<Gauges>,
    /// Spans of threads that have no ring of this pipeline, and how many of them started, ended, and came too late.
    stray: Mutex<Vec<Pieces>>,
    strays: [AtomicU64; 3],
    requests: Mutex<Requests>,
    budget: usize,
    used: AtomicUsize,
    takes: Alone<AtomicBool>,
    thread: OnceLock<Thread>,
    process: u32,
}

/// What all threads have counted.
#[derive(Default)]
struct Gauges {
    living: Vec<Arc<Gauge>>,
    dead: Totals,
}

/// Sums over threads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) no_room: u64,
    pub(crate) too_late: u64,
}

impl Totals {
    fn add(&mut self, gauge: &Gauge) {
        self.started += gauge.started.get();
        self.ended += gauge.ended.get();
        self.no_room += gauge.no_room.get();
        self.too_late += gauge.too_late.get();
    }
}

/// The rings as the thread knows them, and the roots that wait for another look at them.
#[derive(Default)]
struct Rings {
    readers: Vec<Reader>,
    late: Pile,
    /// Those that come from no ring, and have no place there to give back.
    late_strays: Batch,
}

/// Who waits for an answer.
#[derive(Default)]
struct Requests {
    waiting: Vec<Request>,
    /// Whether the thread is gone, and with it all that could come.
    over: bool,
}

/// Someone waits until all that has ended before is out.
struct Request {
    answers: Vec<Sender<Answer>>,
    /// How long the exporters have to shut down, if that is asked.
    stop: Option<Duration>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

impl Collector {
    /// Starts the thread.
    pub(crate) fn start(outlet: Outlet, budget: usize) -> std::io::Result<Arc<Self>> {
        clock::note();
        let collector = Arc::new(Self {
            outlet,
            added: Mutex::default(),
            gauges: Mutex::default(),
            stray: Mutex::default(),
            strays: Default::default(),
            requests: Mutex::default(),
            budget,
            used: AtomicUsize::new(0),
            takes: Alone(AtomicBool::new(true)),
            thread: OnceLock::new(),
            process: std::process::id(),
        });
        let collecting = Arc::clone(&collector);
        let thread = std::thread::Builder::new().name("traced-collect".to_owned()).spawn(move || {
            let _quiet = Context::enter_telemetry_suppressed_scope();
            collecting.run();
        })?;
        let _ = collector.thread.set(thread.thread().clone());
        Ok(collector)
    }

    /// Whether this is still the process that the thread was started in: a fork takes no threads along.
    pub(crate) fn is_here(&self) -> bool {
        self.process == std::process::id()
    }

    pub(crate) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Whether the thread is gone.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.requests).is_some_and(|requests| requests.over)
    }

    /// Whether spans are still taken.
    #[inline]
    pub(crate) fn takes(&self) -> bool {
        self.takes.0.load(Ordering::Relaxed)
    }

    /// Puts bytes aside, if there are so many.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|&used| used <= self.budget);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    pub(crate) fn gauge(&self) -> Arc<Gauge> {
        let gauge = Arc::new(Gauge::default());
        if let Some(mut gauges) = lock(&self.gauges) {
            gauges.living.push(Arc::clone(&gauge));
        }
        gauge
    }

    /// A new ring's end for a thread; the other one is taken up with the next sweep.
    pub(crate) fn ring(&self, slots: usize, reserved: usize) -> (Producer<Slot>, Producer<Parcel>) {
        let ((writer, ring), (beside, parcels)) = (RingBuffer::new(slots), RingBuffer::new(slots));
        if let Some(mut added) = lock(&self.added) {
            added.push(Reader { ring, parcels, reserved, seen: 0, is_abandoned: false });
        }
        (writer, beside)
    }

    /// A span started where no ring is.
    pub(crate) fn stray_started(&self) {
        self.strays[0].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the record of a span that ended where no ring is.
    pub(crate) fn stray_ended(&self, record: Pieces) {
        self.strays[1].fetch_add(1, Ordering::Relaxed);
        if !self.takes() || !self.is_here() {
            self.strays[2].fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Some(mut stray) = lock(&self.stray) {
            stray.push(record);
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        let Some(gauges) = lock(&self.gauges) else { return Totals::default() };
        let mut totals = gauges.dead;
        totals.started += self.strays[0].load(Ordering::Relaxed);
        totals.ended += self.strays[1].load(Ordering::Relaxed);
        totals.too_late += self.strays[2].load(Ordering::Relaxed);
        for gauge in &gauges.living {
            totals.add(gauge);
        }
        totals
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Asks for an answer from every queue, once all that has ended by now is in them.
    pub(crate) fn ask(&self, answers: Vec<Sender<Answer>>, stop: Option<Duration>) {
        if stop.is_some() {
            self.takes.0.store(false, Ordering::Relaxed);
        }
        let request = Request { answers, stop };
        let Some(mut requests) = lock(&self.requests) else { return };
        if requests.over {
            drop(requests);
            self.answer(request);
        } else {
            requests.waiting.push(request);
            drop(requests);
            self.wake();
        }
    }

    fn answer(&self, Request { answers, stop }: Request) {
        self.outlet.ask(answers, stop);
    }

    fn run(&self) {
        let _over = Over(self);
        let mut rings = Rings::default();
        let (mut pause, mut noted) = (SHORT, Instant::now());
        let mut is_said = false;
        loop {
            // Taken before the rings are emptied: what they ask for is in the rings by now.
            let requests = lock(&self.requests).map(|mut requests| std::mem::take(&mut requests.waiting));
            let requests = requests.unwrap_or_default();
            let mut came = self.sweep(&mut rings);
            if !requests.is_empty() {
                // Roots that the first sweep has kept back.
                came |= self.sweep(&mut rings);
            }
            if noted.elapsed() >= NOTE {
                clock::note();
                noted = Instant::now();
            }
            let stops = requests.iter().any(|request| request.stop.is_some());
            if stops {
                self.hand_out_all(std::mem::take(&mut rings.late));
                self.push(std::mem::take(&mut rings.late_strays));
            }
            for request in requests {
                self.answer(request);
            }
            if stops {
                return;
            }
            is_said = is_said || self.say_what_is_lost();
            pause = if came { SHORT } else { (pause * 2).min(LONG) };
            std::thread::park_timeout(pause);
        }
    }

    /// Moves everything out of the rings, and says whether there was anything.
    ///
    /// A root goes out behind all that is below it and ended before it, on whatever threads: exporters that look at traces
    /// can rely on that. So roots go last, and one that came while the rings were looked at waits for the next sweep, since
    /// what is below it may be in a ring that was empty when it was looked at.
    fn sweep(&self, rings: &mut Rings) -> bool {
        self.take_up(&mut rings.readers);
        for reader in &mut rings.readers {
            // Asked first: what is written before the thread lets go is seen behind.
            reader.is_abandoned = reader.ring.is_abandoned();
            reader.seen = reader.ring.slots();
        }
        // What is below the roots seen may be in rings that were added meanwhile, whose own roots wait.
        self.take_up(&mut rings.readers);
        let Rings { readers, late, late_strays } = rings;
        let (mut roots, stray_roots) = (std::mem::take(late), std::mem::take(late_strays));
        let mut came = !roots.is_empty() || stray_roots.spans > 0;
        let mut batch = Batch::default();
        for reader in readers.iter_mut() {
            came |= self.empty(reader, &mut batch, &mut roots, late);
        }
        readers.retain(|reader| {
            if reader.is_abandoned {
                self.used.fetch_sub(reader.reserved, Ordering::Relaxed);
            }
            !reader.is_abandoned
        });
        self.hand_out(batch);
        let mut stray = Batch::default();
        for record in lock(&self.stray).map(|mut stray| std::mem::take(&mut *stray)).unwrap_or_default() {
            let is_root = record.slots.first().is_some_and(Slot::is_root);
            let pile = if is_root { &mut *late_strays } else { &mut stray };
            pile.add([&record.slots, &[]], &mut record.parcels.into_iter());
            came = true;
        }
        self.push(stray);
        self.hand_out_all(roots);
        self.push(stray_roots);
        self.bury();
        came
    }

    /// Takes up rings that were added.
    fn take_up(&self, readers: &mut Vec<Reader>) {
        if let Some(mut added) = lock(&self.added) {
            readers.append(&mut added);
        }
    }

    /// Says that spans are lost for want of room, if they are.
    fn say_what_is_lost(&self) -> bool {
        let lost = self.totals().no_room + self.outlet.no_room();
        if lost > 0 {
            crate::diagnostics::spans_dropped(lost);
        }
        lost > 0
    }

    /// Moves what is in a ring to where it belongs: a piece after the other, so that its thread soon has room again.
    fn empty(&self, reader: &mut Reader, batch: &mut Batch, roots: &mut Pile, late: &mut Pile) -> bool {
        let slots = reader.ring.slots();
        let mut left = slots;
        while left > 0 {
            let first = reader.ring.peek().map_or(1, Slot::record);
            let moved = self.empty_piece(reader, left.min(BATCH.max(first)), batch, roots, late);
            reader.seen = reader.seen.saturating_sub(moved);
            left -= moved;
        }
        slots > 0
    }

    /// Moves the records that are wholly in so many slots, and says how many slots they have.
    fn empty_piece(
        &self,
        reader: &mut Reader,
        slots: usize,
        batch: &mut Batch,
        roots: &mut Pile,
        late: &mut Pile,
    ) -> usize {
        let Ok(chunk) = reader.ring.read_chunk(slots) else { return slots };
        let (first, second) = chunk.as_slices();
        // The parcels of what is in the chunk were written before it.
        let mut parcels = std::iter::from_fn(|| reader.parcels.pop().ok());
        let mut place = 0;
        batch.expect(slots);
        while let Some(head) = first.get(place).or_else(|| second.get(place.checked_sub(first.len())?)) {
            // Whoever writes a record writes all of it at once, so what follows a head belongs to it.
            let behind = place + head.record();
            if behind > slots && place > 0 {
                break;
            }
            let behind = behind.min(slots);
            let near = &first[place.min(first.len())..behind.min(first.len())];
            let far = &second[place.saturating_sub(first.len())..behind.saturating_sub(first.len())];
            match head.is_root() {
                false => batch.add([near, far], &mut parcels),
                true if place < reader.seen => roots.add([near, far], &mut parcels),
                true => late.add([near, far], &mut parcels),
            }
            if batch.is_full() {
                self.hand_out(std::mem::take(batch));
                batch.expect(slots - behind);
            }
            place = behind;
        }
        chunk.commit(place);
        place
    }

    fn hand_out_all(&self, pile: Pile) {
        pile.full.into_iter().for_each(|batch| self.hand_out(batch));
        self.hand_out(pile.last);
    }

    /// Gives the queues what was in the rings. Until then it has its place there: what is on the way would be nowhere else.
    fn hand_out(&self, batch: Batch) {
        let heap = batch.heap;
        self.push(batch);
        if heap > 0 {
            self.used.fetch_sub(heap, Ordering::Relaxed);
        }
    }

    fn push(&self, mut batch: Batch) {
        if batch.spans > 0 {
            batch.fit();
            self.outlet.push(batch);
        }
    }

    /// Keeps the sums of threads that are gone.
    fn bury(&self) {
        let Some(mut gauges) = lock(&self.gauges) else { return };
        let Gauges { living, dead } = &mut *gauges;
        living.retain(|gauge| {
            let lives = Arc::strong_count(gauge) > 1;
            if !lives {
                dead.add(gauge);
            }
            lives
        });
    }
}

/// Says that the thread is gone, however it goes, and answers who still asks.
struct Over<'a>(&'a Collector);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.takes.0.store(false, Ordering::Relaxed);
        let waiting = lock(&self.0.requests).map(|mut requests| {
            requests.over = true;
            std::mem::take(&mut requests.waiting)
        });
        for request in waiting.unwrap_or_default() {
            self.0.answer(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn a_pile_is_in_pieces_whether_slots_fill_it_or_what_is_beside_them() {
        let mut pile = Pile::default();
        let slot = Slot::Bool { key: "key", value: true };
        for _ in 0..=3 * BATCH {
            pile.add([&[slot], &[]], &mut std::iter::empty());
        }
        assert_eq!(pile.full.iter().map(|batch| batch.spans).collect::<Vec<_>>(), [BATCH; 3]);
        assert_eq!(pile.last.spans, 1);

        let mut pile = Pile::default();
        let text = || Parcel::Attribute(Box::new(KeyValue::new("key", "x".repeat(BESIDE / 4))));
        for _ in 0..9 {
            pile.add([&[Slot::Parcel], &[]], &mut std::iter::once(text()));
        }
        assert_eq!(pile.full.iter().map(|batch| batch.spans).collect::<Vec<_>>(), [4; 2]);
        assert!(pile.full.iter().all(|batch| batch.bytes() > BESIDE));
    }

    #[test]
    fn room_that_is_not_used_counts_as_bytes() {
        let mut batch = Batch::default();
        batch.pieces.slots.reserve_exact(1000);
        assert_eq!(batch.bytes(), 1000 * size_of::<Slot>());
    }
}

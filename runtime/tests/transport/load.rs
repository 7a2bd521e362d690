//! Receivers that are busy, broken or rude, while two threads work: whoever calls does not wait, and every span is counted.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use traced::{Builder, Tracing};

use crate::exporters::{LONG, adds_up, does, settled, turn};
use crate::receiver::{Manner, Request, receiver};
use crate::{numbers, otlp, work};

const THREADS: i64 = 2;
const CALLS: i64 = 10_000;
const QUEUE: usize = 500;
const BATCH: usize = 50;

/// How long calls took: the longest one, and all of a thread, with the rests between.
#[derive(Debug, Clone, Copy)]
struct Took {
    longest: Duration,
    all: Duration,
}

impl Took {
    fn more(self, other: Self) -> Self {
        Self { longest: self.longest.max(other.longest), all: self.all.max(other.all) }
    }
}

/// Two threads, each with calls by hundreds and a rest behind every hundred.
fn under_load() -> Took {
    let one = |thread: i64| {
        let begun = Instant::now();
        let mut longest = Duration::ZERO;
        for number in thread * CALLS..(thread + 1) * CALLS {
            let called = Instant::now();
            work(number);
            longest = longest.max(called.elapsed());
            if number % 100 == 99 {
                thread::sleep(Duration::from_millis(5));
            }
        }
        Took { longest, all: begun.elapsed() }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || one(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).reduce(Took::more).unwrap()
    })
}

fn small(builder: Builder) -> Builder {
    builder.queue(QUEUE).batch(BATCH)
}

/// Whatever was tried has come to an end, and nothing is on the way any more.
fn over(tracing: &Tracing) -> traced::Stats {
    let _ = tracing.flush();
    settled(tracing, |stats| stats.waiting == 0 && stats.open == 0)
}

#[test]
fn under_load_no_manner_of_a_receiver_holds_callers_up_or_miscounts_a_span() {
    let _turn = turn();
    let tracing = small(traced::builder("shop")).exporter(does(|_| Ok(()))).install().unwrap();
    let alone = under_load();
    over(&tracing);
    drop(tracing);

    for (manner, is_tried_again) in [
        (Manner::header("429 Too Many Requests", "Retry-After: 1"), true),
        (Manner::status("503 Service Unavailable"), true),
        (Manner::Hangs, true),
        (Manner::BreaksOff("503 Service Unavailable"), true),
        (Manner::Sleeps(Duration::from_millis(300)), true),
        (Manner::status("500 Internal Server Error"), false),
        (Manner::Answers("500 Internal Server Error", vec![], vec![0xff; 100_000]), false),
        (Manner::Says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()), false),
        (Manner::Says(vec![0xff; 100_000]), false),
    ] {
        // Three times, with good answers between.
        let turns = (0..3).flat_map(|_| [manner.clone(), Manner::takes(), Manner::takes()]);
        let is_good = |at: usize| at >= 9 || !at.is_multiple_of(3);
        let receiver = receiver(turns.chain([Manner::takes()]));
        let exporter = otlp(receiver.address).build().unwrap();
        let tracing = small(traced::builder("shop")).exporter(exporter).install().unwrap();
        let took = under_load();
        let stats = over(&tracing);
        tracing.shutdown(LONG).unwrap_or_else(|error| panic!("{error} for {manner:?}"));

        // Whoever waited for one of these would do so for seconds; a thread may lose its processor for less.
        let patience = Duration::from_millis(500);
        assert!(took.longest <= alone.longest + patience, "{took:?} beside {alone:?} for {manner:?}");
        assert!(took.all <= 3 * alone.all + patience, "{took:?} beside {alone:?} for {manner:?}");

        let dropped = stats.dropped;
        assert!(adds_up(&stats), "{stats:?} for {manner:?}");
        assert_eq!(stats.started, (THREADS * CALLS) as u64, "{manner:?}");
        assert_eq!(dropped.total(), dropped.queue_full + dropped.export_failed, "{stats:?} for {manner:?}");
        assert_eq!(stats.retried, if is_tried_again { 3 } else { 0 }, "{stats:?} for {manner:?}");
        let lost = if is_tried_again { 0..=0 } else { 3..=3 * BATCH as u64 };
        assert!(lost.contains(&dropped.export_failed), "{stats:?} for {manner:?}");

        let arrived: Vec<i64> = receiver
            .requests
            .try_iter()
            .enumerate()
            .filter(|(at, _)| is_good(*at))
            .flat_map(|(_, request)| numbers(decoded(&request)))
            .collect();
        assert_eq!(arrived.len() as u64, stats.exported, "{stats:?} for {manner:?}");
        assert_eq!(arrived.iter().collect::<HashSet<_>>().len(), arrived.len(), "twice, for {manner:?}");
        // It is the load that is lost, and not all of it.
        assert!(arrived.len() >= QUEUE, "{stats:?} for {manner:?}");
    }
}

fn decoded(request: &Request) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap()
}

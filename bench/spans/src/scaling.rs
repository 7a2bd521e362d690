//! Spans per second of one thread and of two, and of work that shares nothing beside it: what the machine gives.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::floor;
use crate::measure::{approximate, median};
use crate::peer::TRACED;
use crate::row::{Row, Work};

/// Of one thread and round: fewer spans than wake the collector, which would have to take one of two cores from them.
const TRACES: u64 = 150;
const ROUNDS: usize = 40;
/// One thread and two take turns, so that a slow moment slows both.
const TURNS: usize = 5;

pub fn run() {
    (TRACED.install)();
    let work = (TRACED.work)(Row::Sync).expect("`traced` has every row");
    println!("{:10}{:>14}{:>14}   ratio", "a second", "one thread", "two threads");
    let ratio = row("traced", work, TRACED.flush);
    let machine = row("floor", floor::alone, || ());
    println!("\ntraced must reach 1.8: {}", if ratio >= 1.8 { "ok" } else { "MISS" });
    println!("of what the machine gives to threads that share nothing: {:.2}", ratio / machine);
    println!("{} spans dropped", TRACED.dropped.map_or(0, |dropped| dropped()));
}

fn row(name: &str, work: Work, flush: fn()) -> f64 {
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (rates, threads) in rates.iter_mut().zip(1..) {
            rates.extend(rounds(threads, work, flush));
        }
    }
    let [one, two] = rates.map(median);
    println!("{name:10}{one:>14.0}{two:>14.0}   {:.2}", two / one);
    two / one
}

/// Spans per second of all threads together, a round each.
fn rounds(threads: usize, work: Work, flush: fn()) -> Vec<f64> {
    let (asleep, ready) = (Barrier::new(threads), AtomicUsize::new(0));
    let worker = || {
        let times = (1..=ROUNDS).map(|round| {
            if asleep.wait().is_leader() {
                flush();
            }
            asleep.wait();
            work(Row::Sync.children());
            // A thread that sleeps wakes up late; these begin together.
            ready.fetch_add(1, Ordering::AcqRel);
            while ready.load(Ordering::Acquire) < round * threads {
                std::hint::spin_loop();
            }
            let start = Instant::now();
            for _ in 0..TRACES {
                work(Row::Sync.children());
            }
            (start, Instant::now())
        });
        times.collect::<Vec<_>>()
    };
    let times: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().expect("no work panics")).collect()
    });
    let spans = approximate(TRACES * Row::Sync.spans()) * approximate(threads as u64);
    let all = (0..ROUNDS).map(|round| {
        let start = times.iter().map(|times| times[round].0).min();
        let end = times.iter().map(|times| times[round].1).max();
        let time = end.zip(start).map(|(end, start)| end - start).expect("there are threads");
        spans / time.as_secs_f64()
    });
    all.collect()
}

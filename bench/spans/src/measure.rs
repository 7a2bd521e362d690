//! The peers in turn, row by row: many short rounds, and the median of each peer's.
//!
//! Within a round every peer does the same work, so that a slow moment slows them all. After its turn a peer's
//! pipeline is flushed, off the clock, so that no queue fills.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::floor;
use crate::peer::{self, Peer};
use crate::report::{Measured, Pipeline, Report};
use crate::row::{Row, Work};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Amount {
    pub rounds: usize,
    /// Of one turn, for a peer whose queue holds them.
    pub spans: u64,
}

struct Subject {
    peer: &'static Peer,
    /// How many spans it has made for its exporter.
    made: u64,
}

pub fn run(amount: Amount) -> Report {
    let mut subjects: Vec<_> = peer::ALL.iter().map(|peer| Subject { peer, made: 0 }).collect();
    // What is off can be measured only before anything is set up.
    let off = measure(Row::Off, amount, &mut subjects);
    for subject in &subjects {
        (subject.peer.install)();
    }
    let set_up = Row::ALL.into_iter().filter(|row| *row != Row::Off);
    let mut rows: Vec<_> = set_up.map(|row| measure(row, amount, &mut subjects)).collect();
    rows.push(off);
    let floor = floor::measure(amount.rounds);
    Report {
        rounds: amount.rounds,
        spans: amount.spans,
        rows,
        floor,
        pipelines: subjects.iter().map(Subject::pipeline).collect(),
    }
}

fn measure(row: Row, amount: Amount, subjects: &mut [Subject]) -> Measured {
    eprintln!("{} …", row.name());
    let mut ns: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..amount.rounds {
        for turn in 0..subjects.len() {
            // Nobody is always the first.
            let subject = &mut subjects[(round + turn) % peer::ALL.len()];
            if let Some(work) = (subject.peer.work)(row) {
                ns.entry(subject.peer.name).or_default().push(subject.turn(row, work, amount.spans));
            }
        }
    }
    let ns = ns.into_iter().map(|(peer, ns)| (peer.to_owned(), median(ns))).collect();
    Measured { row: row.name().to_owned(), ns }
}

impl Subject {
    /// Nanoseconds per span.
    fn turn(&mut self, row: Row, work: Work, spans: u64) -> f64 {
        let traces = spans.min(self.peer.holds) / row.spans() + 1;
        // The flush has put this thread to sleep; it wakes up off the clock.
        work(row.children());
        let start = Instant::now();
        for _ in 0..traces {
            work(row.children());
        }
        let time = start.elapsed();
        if row.records() {
            (self.peer.flush)();
            self.made += (traces + 1) * row.spans();
        }
        time.as_secs_f64() * 1e9 / approximate(traces * row.spans())
    }

    fn pipeline(&self) -> Pipeline {
        Pipeline {
            peer: self.peer.name.to_owned(),
            made: self.made,
            arrived: (self.peer.arrived)(),
            dropped: self.peer.dropped.map(|dropped| dropped()),
        }
    }
}

/// To a tenth: nothing here is known more exactly.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2] * 10.0).round() / 10.0
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2⁵³")]
pub fn approximate(count: u64) -> f64 {
    count as f64
}

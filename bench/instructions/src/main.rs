//! Runs so many traces of one row, for callgrind to count what happens inside of `measured`.

// The rows are those whose time is measured; they stand there, beside the peers'.
#[path = "../../spans/src/row.rs"]
mod row;
#[path = "../../spans/src/peer/traced.rs"]
mod traced;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use row::{Row, Work};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(traces)) = (arguments.next(), arguments.next()) else {
        panic!("arguments: a row, and how many traces of it");
    };
    let row = Row::ALL.into_iter().find(|row| row.name() == name).expect("a row's name");
    let work = traced::work(row);
    let traces = traces.parse().expect("a number of traces");
    let (waits, waiting) = channel();
    if row != Row::Off {
        traced::install(::traced::builder("bench").exporter(Held { waits }));
    }

    let counting = COUNTING.lock();
    // What is done once per thread and place is no span's cost.
    work(row.children());
    if row.records() {
        waiting.recv().expect("the exporter is alive");
    }
    measured(work, row.children(), traces);
    drop(counting);

    println!("{}", traces * row.spans());
    if row.records() {
        traced::flush();
        assert_eq!(traced::stats().exported, (traces + 1) * row.spans(), "spans were dropped");
    }
}

/// Named in `count.py`: nothing outside of it is counted.
#[inline(never)]
fn measured(work: Work, children: u64, traces: u64) {
    for _ in 0..traces {
        work(children);
    }
}

/// Locked while instructions are counted.
static COUNTING: Mutex<()> = Mutex::new(());

/// Holds the exporter's thread while instructions are counted: what it locks and frees meanwhile would make the count
/// another one each time.
#[derive(Debug)]
struct Held {
    waits: Sender<()>,
}

impl SpanExporter for Held {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        // Who no longer listens needs no answer.
        let _ = self.waits.send(());
        drop(COUNTING.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

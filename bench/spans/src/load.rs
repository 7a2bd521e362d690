//! One pipeline under a steady load, in a process of its own: what a span costs wherever it is spent.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::trace::SpanExporter;
use quanta::Clock;
use rustix::time::{ClockId, clock_gettime};

use crate::floor;
use crate::null::Null;
use crate::peer::{self, Peer};
use crate::row::Row;

pub const SECONDS: u32 = 5;
/// Traces come in bursts, so that waiting for the next one is no part of what a span costs.
const BURSTS_A_SECOND: u32 = 200;
const TRACES_A_BURST: u32 = 5;

/// Spans that arrived at `null`.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// Every span that is made.
pub fn spans() -> u64 {
    u64::from(SECONDS * BURSTS_A_SECOND * TRACES_A_BURST) * Row::Attrs3.spans()
}

/// Runs as a child of `process`, which reads what this prints: CPU nanoseconds, and what arrived at `null`.
pub fn run(peer: &str, sink: &str) -> Result<(), Box<dyn Error>> {
    if peer == "floor" {
        let (clock, exporter) = (Clock::new(), Null(&ARRIVED));
        put(|children| floor::trace(children, &clock, &exporter), || floor::flush(&exporter));
    } else {
        let peer = set_up(peer, sink)?;
        put((peer.work)(Row::Attrs3).expect("both have this row"), peer.flush);
    }
    Ok(())
}

/// Puts the load on, and says what it cost.
fn put(work: impl Fn(u64), flush: impl FnOnce()) {
    for _ in 0..SECONDS * BURSTS_A_SECOND {
        let start = Instant::now();
        for _ in 0..TRACES_A_BURST {
            work(Row::Attrs3.children());
        }
        // What a slow moment has cost is not made up for: that would be a burst nobody asked for.
        thread::sleep((Duration::from_secs(1) / BURSTS_A_SECOND).saturating_sub(start.elapsed()));
    }
    flush();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    println!("{} {}", cpu.tv_sec * 1_000_000_000 + cpu.tv_nsec, ARRIVED.load(Ordering::Relaxed));
}

/// `sink` is `null` or the URL of an OTLP receiver.
fn set_up(peer: &str, sink: &str) -> Result<Peer, Box<dyn Error>> {
    if sink == "null" {
        return set_up_into(peer, Null(&ARRIVED));
    }
    // Each with its own client.
    if peer == "sdk" {
        let otlp = opentelemetry_otlp::SpanExporter::builder().with_http();
        return set_up_into(peer, otlp.with_protocol(Protocol::HttpBinary).with_endpoint(sink).build()?);
    }
    set_up_into(peer, traced::otlp::Otlp::http(sink).build()?)
}

fn set_up_into(peer: &str, exporter: impl SpanExporter + 'static) -> Result<Peer, Box<dyn Error>> {
    let traced = traced::builder("bench");
    match peer {
        "sdk" => peer::sdk::install_into(exporter),
        "traced" => peer::traced::install(traced.exporter(exporter)),
        "traced-plain" => peer::traced::install(traced.exporter(exporter).code_attributes(false)),
        _ => return Err(format!("no load for {peer}").into()),
    }
    Ok(if peer == "sdk" { peer::SDK } else { peer::TRACED })
}

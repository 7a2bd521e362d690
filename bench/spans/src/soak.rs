//! Twenty million spans, and the memory of the process after each million.
//!
//! Ten at a pace that the exporter follows, where nothing may be lost, and ten as fast as the thread can, where
//! what does not fit must be counted. Linux only: it reads `/proc`.

use std::error::Error;
use std::fs;

use crate::measure::approximate;
use crate::peer::{TRACED, traced};
use crate::row::Row;

const MILLIONS: u64 = 10;
const TRACES_A_MILLION: u64 = 10_000;
/// Half of what the queue holds by default.
const TRACES_A_FLUSH: u64 = 320;

pub fn run() -> Result<(), Box<dyn Error>> {
    (TRACED.install)();
    println!(
        "{:14}{:>10}{:>12}{:>12}{:>12}{:>12}",
        "", "RSS MB", "started", "exported", "dropped", "waiting"
    );
    line("at first")?;
    for million in 1..=MILLIONS {
        make(Some(TRACES_A_FLUSH));
        line(&format!("paced {million} M"))?;
    }
    for million in 1..=MILLIONS {
        make(None);
        line(&format!("flat out {million} M"))?;
    }
    traced::flush();
    line("flushed")?;
    let stats = traced::stats();
    let counted = stats.exported + stats.dropped.total();
    let silent = stats.started.abs_diff(counted) + stats.exported.abs_diff((TRACED.arrived)());
    println!("\nlost without being counted: {silent} {}", if silent == 0 { "ok" } else { "MISS" });
    Ok(())
}

fn make(traces_a_flush: Option<u64>) {
    let work = traced::work(Row::Attrs3);
    for trace in 1..=TRACES_A_MILLION {
        work(Row::Attrs3.children());
        if traces_a_flush.is_some_and(|traces| trace % traces == 0) {
            traced::flush();
        }
    }
}

fn line(name: &str) -> Result<(), Box<dyn Error>> {
    let stats = traced::stats();
    println!(
        "{name:14}{:>10.1}{:>12}{:>12}{:>12}{:>12}",
        resident()?,
        stats.started,
        stats.exported,
        stats.dropped.total(),
        stats.waiting
    );
    Ok(())
}

/// In megabytes.
fn resident() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(approximate(line.trim_end_matches("kB").trim().parse()?) * 1024.0 / 1e6)
}

//! What was measured: kept as JSON, printed as a table beside what `traced` must reach.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::peer;

#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub rounds: usize,
    /// Of a turn, where the peer's queue holds them.
    pub spans: u64,
    pub rows: Vec<Measured>,
    /// The least there is to do, by row.
    pub floor: BTreeMap<String, f64>,
    pub pipelines: Vec<Pipeline>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    pub row: String,
    /// Nanoseconds per span on the calling thread, by peer.
    pub ns: BTreeMap<String, f64>,
}

/// What became of a peer's spans.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pipeline {
    pub peer: String,
    pub made: u64,
    pub arrived: u64,
    /// As the peer itself says.
    pub dropped: Option<u64>,
}

/// At most so many times what a peer costs.
struct Target(f64, &'static str);

fn targets(row: &str) -> &'static [Target] {
    match row {
        "sync" => &[Target(0.25, "sdk"), Target(1.0, "fastrace")],
        "leaf" => &[Target(0.35, "fastrace")],
        "attrs3" => &[Target(0.16, "sdk")],
        "string1" => &[Target(0.20, "sdk")],
        "root" => &[Target(0.35, "sdk")],
        "async" => &[Target(0.33, "sdk")],
        "error" => &[Target(0.25, "sdk")],
        "unsampled" => &[Target(0.06, "sdk")],
        "off" => &[Target(0.35, "tracing")],
        _ => &[],
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10}", "ns a span")?;
        for peer in &peer::ALL {
            write!(f, "{:>10}", peer.name)?;
        }
        writeln!(f, "{:>10}   traced must reach", "floor")?;
        for row in &self.rows {
            self.line(row, f)?;
        }
        writeln!(
            f,
            "\nfloor: two readings of the clock, a span shown in the context (but for leaf), a record; nothing more"
        )?;
        writeln!(f, "medians of {} rounds of {} spans", self.rounds, self.spans)?;
        self.pipelines.iter().try_for_each(|pipeline| write!(f, "{pipeline}"))
    }
}

impl Report {
    fn line(&self, row: &Measured, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10}", row.row)?;
        let floor = self.floor.get(&row.row);
        for ns in peer::ALL.iter().map(|peer| row.ns.get(peer.name)).chain([floor]) {
            match ns {
                Some(ns) => write!(f, "{ns:>10.1}")?,
                None => write!(f, "{:>10}", "–")?,
            }
        }
        for (i, Target(most, peer)) in targets(&row.row).iter().enumerate() {
            let theirs = row.ns[*peer];
            let ratio = row.ns["traced"] / theirs;
            let before = if i == 0 { "   " } else { ", " };
            write!(f, "{before}{ratio:.2} of {most:.2} × {peer} ")?;
            match floor.map(|floor| floor / theirs) {
                _ if ratio <= *most => write!(f, "ok")?,
                Some(floor) => write!(f, "MISS (floor {floor:.2})")?,
                None => write!(f, "MISS")?,
            }
        }
        writeln!(f)
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, made, arrived, dropped } = self;
        write!(f, "{peer:10}{made:>10} spans, {} lost", made - arrived)?;
        match dropped {
            Some(dropped) => writeln!(f, " ({dropped} by its own count)"),
            None => writeln!(f),
        }
    }
}

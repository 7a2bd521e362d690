//! Who is measured. Each has a module of one shape: `work` is its rows, the rest its usual pipeline.

mod fastrace;
pub mod sdk;
pub mod traced;
mod tracing;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::null::Null;
use crate::row::{Row, Work};

pub struct Peer {
    pub name: &'static str,
    /// The work of a row; `None` where the peer has no such thing.
    pub work: fn(Row) -> Option<Work>,
    /// Sets its pipeline up, into an exporter that counts and throws away.
    pub install: fn(),
    /// Returns when every span that has ended has reached the exporter.
    pub flush: fn(),
    /// How many spans it takes at once without dropping any: less than two thirds of its queue.
    pub holds: u64,
    /// How many spans have reached the exporter.
    pub arrived: fn() -> u64,
    /// How many spans it says it has dropped, where it says so.
    pub dropped: Option<fn() -> u64>,
}

pub static ALL: [Peer; 4] = [SDK, TRACING, FASTRACE, TRACED];

pub const SDK: Peer = Peer {
    name: "sdk",
    work: sdk::work,
    install: sdk::install,
    flush: sdk::flush,
    holds: 1_200,
    arrived: sdk::arrived,
    dropped: None,
};

const TRACING: Peer = Peer {
    name: "tracing",
    work: tracing::work,
    install: tracing::install,
    flush: tracing::flush,
    holds: 1_200,
    arrived: tracing::arrived,
    dropped: None,
};

const FASTRACE: Peer = Peer {
    name: "fastrace",
    work: fastrace::work,
    install: fastrace::install,
    flush: fastrace::flush,
    holds: u64::MAX,
    arrived: fastrace::arrived,
    dropped: None,
};

pub const TRACED: Peer = Peer {
    name: "traced",
    work: |row| Some(traced::work(row)),
    install: || traced::install(::traced::builder("bench").exporter(Null(&ARRIVED))),
    flush: traced::flush,
    holds: 40_000,
    arrived: || ARRIVED.load(Ordering::Relaxed),
    dropped: Some(|| traced::stats().dropped.total()),
};

/// At the exporter of `traced`, whose module knows no exporter.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

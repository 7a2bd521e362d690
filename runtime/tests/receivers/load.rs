//! A service under load that is told to end, and one whose receiver is away for a while: what arrives is counted, and
//! the counts of both sides have to agree.

use std::collections::HashSet;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue, global};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use traced::{opentelemetry, traced};

use crate::child::{SERVICE, Variables, child, said_by, service, told};
use crate::receiver::{received, receivers};

/// A receiver of one test's own, which ends with it.
struct Agent {
    process: Child,
    address: String,
}

impl Agent {
    fn start(program: &str, port: u16) -> Self {
        let [main, grpc] = free_ports();
        let ports = ["-p", &main.to_string(), "--otlp-grpc-port", &grpc.to_string(), "--otlp-http-port"];
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--log-level", "WARNING"]).args(ports).arg(port.to_string());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let agent = Self { process, address: format!("127.0.0.1:{port}") };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&agent.address).is_err() {
            assert!(Instant::now() < until, "ddapm-test-agent does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        agent
    }

    /// How many spans there are of the service, and how many of them came once more.
    fn count(&self, service: &str) -> (u64, u64) {
        let spans = received(&self.address, service);
        let ids: HashSet<_> = spans.iter().map(|span| span.lines().nth(1)).collect();
        (ids.len() as u64, (spans.len() - ids.len()) as u64)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn sends_to(port: u16, service: &str) -> Variables {
    vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}")),
        (SERVICE, service.to_owned()),
    ]
}

// -------------------------------------------------------------------------------------------------------- the service

/// How the service ends when it is told to: by dropping the guard, or by a shutdown that says what became of all.
const END: &str = "TRACED_TEST_END";
/// How many microseconds each thread rests between two calls.
const REST: &str = "TRACED_TEST_REST";
/// How many bytes of text each span carries, and how many bytes of spans may wait.
const TEXT: &str = "TRACED_TEST_TEXT";
const BUFFER: &str = "TRACED_TEST_BUFFER";

static FINISHED: AtomicU64 = AtomicU64::new(0);
static SLOW: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicBool = AtomicBool::new(false);

#[traced(attr(n))]
fn work(n: u64) {
    std::hint::black_box(n);
}

#[traced(attr(n, text))]
fn wordy(n: u64, text: &str) {
    std::hint::black_box((n, text));
}

/// Four threads that work until the process ends, which it does at SIGTERM.
pub(crate) fn under_load() {
    let set = |name| std::env::var(name).ok().map(|value| value.parse::<usize>().unwrap());
    let builder = traced::builder("load").read_environment();
    let builder = match set(BUFFER) {
        Some(bytes) => builder.buffer(bytes),
        None => builder,
    };
    let tracing = builder.install().unwrap();
    let mut signals = Signals::new([SIGTERM]).unwrap();
    let rest = Duration::from_micros(set(REST).unwrap() as u64);
    let text = set(TEXT).map(|length| "x".repeat(length));
    let before = megabytes_now();
    let threads = [(); 4].map(|()| {
        let text = text.clone();
        thread::spawn(move || {
            for n in 0.. {
                if OVER.load(Ordering::Relaxed) {
                    return;
                }
                let begun = Instant::now();
                match &text {
                    Some(text) => wordy(n, text),
                    None => work(n),
                }
                if begun.elapsed() > Duration::from_millis(10) {
                    SLOW.fetch_add(1, Ordering::Relaxed);
                }
                FINISHED.fetch_add(1, Ordering::Release);
                thread::sleep(rest);
            }
        })
    });
    eprintln!("ready: yes");

    signals.forever().next();
    let finished = FINISHED.load(Ordering::Acquire);
    if std::env::var(END).as_deref() == Ok("drop") {
        // As a service does it that knows no better: the others still work.
        drop(tracing);
    } else {
        OVER.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let ended = tracing.shutdown(Duration::from_secs(60));
        let stats = tracing.stats();
        eprintln!("ended: {ended:?}");
        eprintln!("stats: {stats:?}");
        eprintln!("started: {}", stats.started);
        eprintln!("exported: {}", stats.exported);
        eprintln!("dropped: {}", stats.dropped.total());
        eprintln!("no room: {}", stats.dropped.queue_full);
        eprintln!("left: {}", stats.open + stats.waiting);
    }
    eprintln!("finished: {finished}");
    eprintln!("all: {}", FINISHED.load(Ordering::Acquire));
    eprintln!("slow: {}", SLOW.load(Ordering::Relaxed));
    eprintln!("grown: {}", most_megabytes().saturating_sub(before));
    std::process::exit(0);
}

/// The most memory the process ever had; 0 where nobody says.
fn most_megabytes() -> u64 {
    megabytes_of("VmHWM:")
}

fn megabytes_now() -> u64 {
    megabytes_of("VmRSS:")
}

fn megabytes_of(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Starts the service and lets it run, with what happens meanwhile; then tells it to end, and gives what it said.
fn told_to_end(variables: &Variables, meanwhile: impl FnOnce()) -> String {
    let process = child("under load", variables).spawn().unwrap();
    let id = process.id().to_string();
    let watch = thread::spawn(move || process.wait_with_output().unwrap());
    meanwhile();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let output = watch.join().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

fn number(said: &str, key: &str) -> u64 {
    told(said, key).parse().unwrap()
}

#[test]
fn nothing_that_has_finished_is_lost_where_the_handler_of_sigterm_drops_the_guard() {
    let Some([program]) = receivers(["DDAPM"]) else { return };
    let [port] = free_ports();
    let agent = Agent::start(&program, port);
    let service = service("dropped");
    let mut variables = sends_to(port, &service);
    variables.extend([(END, "drop".to_owned()), (REST, "500".to_owned())]);
    let said = told_to_end(&variables, || thread::sleep(Duration::from_millis(1500)));
    let (arrived, again) = agent.count(&service);
    let (finished, all) = (number(&said, "finished"), number(&said, "all"));
    assert!(finished > 1000, "{said}");
    // What ended while the guard was dropped may be among them, and nothing that has never been.
    assert!((finished..=all + 4).contains(&arrived), "{arrived} arrived:\n{said}");
    assert_eq!(again, 0, "{said}");
}

#[test]
fn a_shutdown_at_sigterm_counts_to_the_span_what_has_arrived() {
    let Some([program]) = receivers(["DDAPM"]) else { return };
    let [port] = free_ports();
    let agent = Agent::start(&program, port);
    let service = service("counted");
    let mut variables = sends_to(port, &service);
    variables.extend([(END, "shutdown".to_owned()), (REST, "500".to_owned())]);
    let said = told_to_end(&variables, || thread::sleep(Duration::from_millis(1500)));
    let (arrived, again) = agent.count(&service);
    let [started, exported, all] = ["started", "exported", "all"].map(|key| number(&said, key));
    assert_eq!((arrived, again), (all, 0), "{said}");
    assert_eq!((started, exported), (all, all), "{said}");
    assert_eq!(told(&said, "ended"), "Ok(())", "{said}");
}

/// How many seconds a receiver is away: a minute is what is promised, and CI has less time.
fn seconds_away() -> u64 {
    std::env::var("RECEIVER_SECONDS_AWAY").map_or(4, |seconds| seconds.parse().unwrap())
}

#[test]
fn what_was_kept_while_the_receiver_was_away_arrives_when_it_is_back() {
    const LENGTH: u64 = 4_000;
    const ROOM: u64 = 4 << 20;

    let Some([program]) = receivers(["DDAPM"]) else { return };
    let [port] = free_ports();
    let service = service("away");
    let mut variables = sends_to(port, &service);
    variables.extend([(END, "shutdown".to_owned()), (REST, "1000".to_owned())]);
    variables.extend([(TEXT, LENGTH.to_string()), (BUFFER, ROOM.to_string())]);
    // ddapm-test-agent takes a megabyte at once.
    variables.push(("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128".to_owned()));
    let mut agent = None;
    let said = told_to_end(&variables, || {
        thread::sleep(Duration::from_secs(seconds_away()));
        agent = Some(Agent::start(&program, port));
        thread::sleep(Duration::from_secs(2));
    });
    let (arrived, again) = agent.unwrap().count(&service);
    let [started, exported, dropped, no_room, left, all] =
        ["started", "exported", "dropped", "no room", "left", "all"].map(|key| number(&said, key));
    assert_eq!(started, all, "{said}");
    assert_eq!((left, exported + dropped), (0, started), "{said}");
    assert_eq!((arrived, again), (exported, 0), "{said}");
    // Far more was offered than there was room for, and what there was room for has arrived.
    assert!(started * LENGTH > 8 * ROOM && dropped > started / 4, "{said}");
    assert_eq!(dropped, no_room, "{said}");
    assert!(arrived * (LENGTH + 1_000) >= ROOM && told(&said, "ended") == "Ok(())", "{said}");
    // A call that waits for a receiver waits for seconds; one in a thousand may have lost its processor.
    assert!(number(&said, "slow") <= all / 1000, "{said}");
    // What may wait in rings and in the queue, with half as much for what an allocator keeps; and a megabyte for each of
    // what else is there then: six threads, a parcel on its way, a connection.
    assert!(number(&said, "grown") <= 3 * (ROOM >> 20) + 8, "{said}");
}

// ------------------------------------------------------------------------------------------- many names, many threads

/// Counts what is allocated, and given back.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// A service that makes ten thousand spans of which no two share a name, a scope, a key or a value, three times.
pub(crate) fn many_names() {
    const NAMES: u64 = 10_000;

    let tracing = traced::init("many names").unwrap();
    let mut alive = Vec::new();
    for round in 0..3 {
        for n in 0..NAMES {
            let n = round * NAMES + n;
            let scope =
                InstrumentationScope::builder(format!("scope {n}")).with_version(format!("{n}")).build();
            let tracer = global::tracer_provider().tracer_with_scope(scope);
            tracer.in_span(format!("span {n}"), |cx| {
                cx.span().set_attribute(KeyValue::new(format!("key {n}"), format!("value {n}")));
                cx.span().add_event(
                    format!("event {n}"),
                    vec![KeyValue::new(format!("key of event {n}"), n as i64)],
                );
                let (name, key) = (format!("renamed {n}"), format!("key of call {n}"));
                named(name, key);
            });
            if n.is_multiple_of(1000) {
                tracing.flush().unwrap();
            }
        }
        tracing.flush().unwrap();
        let Stats { allocations, deallocations, .. } = ALLOCATOR.stats();
        alive.push(allocations.saturating_sub(deallocations));
    }
    let stats = tracing.stats();
    eprintln!("counts: {} {} {}", stats.started, stats.exported, stats.dropped.total());
    eprintln!("grown: {}", alive[2].saturating_sub(alive[0]));
    eprintln!("alive: {alive:?}");
    eprintln!("megabytes: {}", most_megabytes());
}

#[traced]
fn named(name: String, key: String) {
    traced::current().rename(name);
    traced::current().set(key, "value");
}

#[test]
fn ten_thousand_names_keys_and_values_leave_nothing_behind() {
    let Some([program]) = receivers(["DDAPM"]) else { return };
    let [port] = free_ports();
    let _agent = Agent::start(&program, port);
    let said = said_by("many names", &sends_to(port, &service("names")));
    assert_eq!(told(&said, "counts"), "60000 60000 0", "{said}");
    // Two more rounds have 20,000 of each kind of name: had one in forty left something behind, it would be seen.
    assert!(number(&said, "grown") <= 500, "{said}");
    assert!(number(&said, "megabytes") <= 64, "{said}");
}

/// A service whose threads come and go by hundreds while it shuts down, three times one after the other.
pub(crate) fn storm() {
    for round in 0..3 {
        let tracing = traced::init("storm").unwrap();
        let over = AtomicBool::new(false);
        let finished = AtomicU64::new(0);
        let (mut before, mut ended) = (0, Ok(()));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        thread::scope(|inner| {
                            for n in 0..16 {
                                let finished = &finished;
                                inner.spawn(move || {
                                    work(n);
                                    finished.fetch_add(1, Ordering::Release);
                                });
                            }
                        });
                    }
                });
            }
            thread::sleep(Duration::from_millis(400));
            before = finished.load(Ordering::Acquire);
            ended = tracing.shutdown(Duration::from_secs(30));
            thread::sleep(Duration::from_millis(100));
            over.store(true, Ordering::Relaxed);
        });
        let stats = tracing.stats();
        assert_eq!(ended, Ok(()), "{stats:?}");
        assert_eq!((stats.open, stats.waiting, stats.dropped.queue_full), (0, 0, 0), "{stats:?}");
        assert_eq!(stats.started, stats.exported + stats.dropped.total(), "{stats:?}");
        assert!(stats.exported >= before, "{before} had ended before: {stats:?}");
        eprintln!("exported {round}: {}", stats.exported);
    }
}

#[test]
fn threads_that_come_and_go_during_shutdowns_are_counted_to_the_span() {
    let Some([program]) = receivers(["DDAPM"]) else { return };
    let [port] = free_ports();
    let agent = Agent::start(&program, port);
    let service = service("storm");
    let said = said_by("storm", &sends_to(port, &service));
    let exported: u64 = (0..3).map(|round| number(&said, &format!("exported {round}"))).sum();
    assert_eq!(agent.count(&service), (exported, 0), "{said}");
}

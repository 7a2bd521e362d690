//! A service that can be looked into: `/traces` from memory, and `/metrics` for Prometheus, on loopback.
//!
//! `cargo run -p traced --example watched --features prometheus,jaeger-json` makes some requests, asks both endpoints and
//! ends; with `-- stay` it goes on until it is stopped, for you to ask:
//!
//! ```sh
//! curl 'http://127.0.0.1:9465/traces?error=true'           # a line for each trace
//! curl 'http://127.0.0.1:9465/traces/…'                    # one of them as a tree, by its id
//! curl 'http://127.0.0.1:9465/traces.json?minDuration=5ms' # for Jaeger's UI: Search, JSON File
//! curl http://127.0.0.1:9464/metrics
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use traced::memory::{Memory, Query};
use traced::opentelemetry::trace::TraceId;
use traced::traced;

fn main() -> Result<(), Box<dyn Error>> {
    let stays = std::env::args().any(|argument| argument == "stay");
    // Whoever only looks whether it runs may do so beside another one.
    let port = |usual: u16| if stays { usual } else { 0 };

    let memory = Memory::new().traces(500);
    let metrics = traced::metrics::serve(("127.0.0.1", port(9464)))?;
    let tracing = traced::builder("watched").exporter(memory.clone()).observer(metrics.spans()).install()?;
    metrics.observe(&tracing);
    let traces = serve_traces(([127, 0, 0, 1], port(9465)).into(), memory)?;
    println!("http://{traces}/traces and http://{}/metrics", metrics.address());

    let mut number = 0;
    while stays || number < 20 {
        number += 1;
        // A request that fails is in its trace.
        let _ = checkout(number);
    }
    tracing.flush()?;

    println!("\n{}", get(traces, "/traces?error=true&limit=3")?);
    let text = get(metrics.address(), "/metrics")?;
    text.lines().filter(|line| line.contains("_calls_total{")).for_each(|line| println!("{line}"));
    Ok(())
}

#[traced(name = "POST /orders", kind = server, attr(order))]
fn checkout(order: u64) -> Result<(), String> {
    reserve(order);
    pay(order)
}

#[traced]
fn reserve(order: u64) {
    thread::sleep(Duration::from_millis(1 + order % 7));
}

#[traced(kind = client, attr(order))]
fn pay(order: u64) -> Result<(), String> {
    thread::sleep(Duration::from_millis(2));
    if order.is_multiple_of(5) { Err("card declined".into()) } else { Ok(()) }
}

/// What stands behind `/traces`; a service has a framework for the rest of this.
fn answer(target: &str, memory: &Memory) -> (&'static str, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = match query.parse::<Query>() {
        Ok(query) => query,
        Err(fault) => return ("400 Bad Request", format!("{fault}\n")),
    };
    match path {
        "/traces" => {
            let lines = memory.search(&query).into_iter().map(|trace| {
                format!(
                    "{} {} {:?}, spans: {}, failed: {}, missing: {}\n",
                    trace.id, trace.root, trace.duration, trace.spans, trace.errors, trace.missing
                )
            });
            ("200 OK", lines.collect())
        }
        "/traces.json" => ("200 OK", memory.jaeger_json(&query)),
        _ => {
            let id = path.strip_prefix("/traces/").and_then(|id| TraceId::from_hex(id).ok());
            match id.and_then(|id| memory.trace(id)) {
                Some(trace) => ("200 OK", trace.to_string()),
                None => ("404 Not Found", "there is no such trace\n".to_owned()),
            }
        }
    }
}

fn serve_traces(address: SocketAddr, memory: Memory) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // One after the other is enough to look at; nobody holds the others up for longer than a second.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
            let _ = respond(&stream, &memory);
        }
    });
    Ok(address)
}

fn respond(mut stream: &TcpStream, memory: &Memory) -> io::Result<()> {
    let mut lines = BufReader::new(stream.take(8 << 10)).lines();
    let line = lines.next().transpose()?.unwrap_or_default();
    // Closed before all was read, the answer might not arrive.
    lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
    let (status, body) = match line.split(' ').collect::<Vec<_>>()[..] {
        ["GET", target, _] => answer(target, memory),
        _ => ("405 Method Not Allowed", String::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()))
}

fn get(address: SocketAddr, target: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{answer}");
    Ok(body.to_owned())
}

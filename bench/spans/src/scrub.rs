//! What the scrubber costs the exporter's thread: the attributes of a span in which there is nothing to take out, one in
//! which there is, and long texts.

use std::hint::black_box;
use std::time::Instant;

use traced::Scrubber;
use traced::opentelemetry::{KeyValue, Value};

const ROUNDS: u32 = 200_000;

/// A span of a service: what it was asked to record, and where it stands.
fn clean() -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("http.route", "/orders/{id}"),
        KeyValue::new("url.path", "/orders/1002"),
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("order.id", "a1b2c3d4-1002"),
        KeyValue::new("code.function.name", "orders::Shop::place"),
        KeyValue::new("code.file.path", "examples/orders.rs"),
        KeyValue::new("code.line.number", 80),
    ]
}

pub fn run() {
    let mut dirty = clean();
    dirty.push(KeyValue::new("url.full", "https://shop.example.com/?api_key=k7&page=2"));
    let text = |text: &str, bytes: usize| vec![KeyValue::new("text", text.repeat(bytes / text.len()))];
    for (what, span) in [
        ("8 clean attributes", clean()),
        ("a secret among them", dirty),
        ("4 kB of words", text("nobody sells a moon to anyone ", 4096)),
        ("4 kB of JSON", text("{\"order\":1002,\"items\":[\"a\",\"b\"]},", 4096)),
    ] {
        println!("{what:>20}: {:8.0} ns", each(&span));
    }
    let hostile = text("password:\"\\eyJ4111 ", 10 << 20);
    let begun = Instant::now();
    black_box(shown(&Scrubber::new(), &hostile));
    println!("{:>20}: {:8.0} ms", "10 MB, hostile", begun.elapsed().as_secs_f64() * 1e3);
}

/// The time of a span, without that of copying it.
fn each(span: &[KeyValue]) -> f64 {
    let time = |scrubber: &Scrubber| {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            black_box(shown(scrubber, black_box(span)));
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    let (off, on) = (Scrubber::off(), Scrubber::new());
    let mut costs: Vec<_> = (0..5).map(|_| time(&on) - time(&off)).collect();
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

fn shown(scrubber: &Scrubber, span: &[KeyValue]) -> Vec<Value> {
    span.iter().map(|attribute| scrubber.shown(attribute.clone()).value).collect()
}

//! A program that has its own OpenTelemetry provider: traced calls go through it, beside its own spans.
//!
//! `cargo run --example own_provider`

use opentelemetry_sdk::trace::SdkTracerProvider;
use traced::opentelemetry::global;
use traced::opentelemetry::trace::Tracer;

#[traced::traced(attr(n))]
fn double(n: u32) -> u32 {
    // A span made through OpenTelemetry's own API is the traced call's child.
    global::tracer("by hand").in_span("multiply", |_| n * 2)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Any provider will do; this one prints.
    let provider = SdkTracerProvider::builder().with_simple_exporter(traced::Console::new()).build();
    global::set_tracer_provider(provider.clone());
    traced::attach_global()?;

    // And the other way round: the traced call is the child of such a span.
    let four = global::tracer("by hand").in_span("main", |_| double(2));
    assert_eq!(four, 4);
    provider.shutdown()?;
    Ok(())
}

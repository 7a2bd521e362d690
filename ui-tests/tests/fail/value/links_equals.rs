use traced::opentelemetry::trace::SpanContext;
use traced::traced;

#[traced(links = contexts)]
fn load(contexts: &[SpanContext]) {}

fn main() {
    load(&[]);
}

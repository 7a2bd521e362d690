use traced::opentelemetry::trace::SpanContext;
use traced::traced;

#[traced(links(a, b))]
fn load(a: &SpanContext, b: &SpanContext) {}

fn main() {
    load(&SpanContext::NONE, &SpanContext::NONE);
}

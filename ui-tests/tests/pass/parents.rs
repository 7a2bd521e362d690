use std::collections::HashMap;

use traced::opentelemetry::Context;
use traced::opentelemetry::trace::{SpanContext, TraceContextExt};
use traced::traced;

#[traced(parent = cx)]
fn context(cx: Context) -> Context {
    cx
}

#[traced(parent = *cx)]
fn dereferenced(cx: &Context) -> bool {
    cx.has_active_span()
}

#[traced(parent = request.headers)]
async fn headers(request: Request) -> usize {
    request.headers.len()
}

#[traced(parent = traced::extract(&request.headers))]
async fn extracted(request: &Request) -> usize {
    request.headers.len()
}

#[traced(parent = cx)]
fn optional(cx: Option<SpanContext>) -> bool {
    cx.is_some()
}

#[traced(links(contexts))]
fn many(contexts: &[SpanContext]) -> usize {
    contexts.len()
}

#[traced(links(contexts.iter().map(|cx| cx.span().span_context().clone())))]
fn mapped(contexts: Vec<Context>) -> usize {
    contexts.len()
}

#[traced(links([a, b]), root)]
fn two(a: &Context, b: &Context) -> bool {
    a.has_active_span() || b.has_active_span()
}

#[traced(links(cx))]
fn perhaps(cx: Option<&SpanContext>) -> bool {
    cx.is_some()
}

struct Request {
    headers: HashMap<String, String>,
}

fn main() {
    let cx = context(Context::new());
    dereferenced(&cx);
    let request = Request { headers: HashMap::new() };
    futures_executor::block_on(extracted(&request));
    futures_executor::block_on(headers(request));
    optional(None);
    many(&[]);
    mapped(vec![cx.clone()]);
    two(&cx, &cx);
    perhaps(None);
}

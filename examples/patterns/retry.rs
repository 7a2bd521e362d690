//! Each attempt has a span, and every later one links to the first: which error began it is one click away.
//!
//! `cargo run --example retry`

use std::time::Duration;

use traced::opentelemetry::Context;
use traced::traced;

#[traced(kind = client, attr(order, "retry.limit" = 3))]
async fn pay(order: u64) -> Result<u32, String> {
    let mut first: Option<Context> = None;
    let mut number = 0;
    loop {
        number += 1;
        let (answer, this) = attempt(number, first.as_ref()).await;
        match answer {
            Err(_) if number < 3 => {}
            answer => return answer.map(|()| number),
        }
        first.get_or_insert(this);
        let pause = Duration::from_millis(5 << number);
        traced::event!("retry.wait", attempt = number, pause);
        tokio::time::sleep(pause).await;
    }
}

/// Gives its own context along, for those after it to link to.
#[traced(links(first), attr("retry.attempt" = number), error_if(_ => false))]
async fn try_once(number: u32, first: Option<&Context>, this: &mut Context) -> Result<(), String> {
    *this = traced::current().context().clone();
    charge(number).await
}

async fn attempt(number: u32, first: Option<&Context>) -> (Result<(), String>, Context) {
    let mut this = Context::new();
    let answer = try_once(number, first, &mut this).await;
    (answer, this)
}

#[traced]
async fn charge(number: u32) -> Result<(), String> {
    if number < 3 { Err(format!("the bank is busy ({number})")) } else { Ok(()) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _tracing = traced::init("payments")?;
    println!("paid at attempt {}", pay(7).await?);
    Ok(())
}

#[tokio::test]
async fn later_attempts_link_to_the_first_and_the_call_has_not_failed() {
    use traced::opentelemetry::trace::SpanContext;

    let (paid, trace) = traced::testing::capture(pay(7)).await;
    assert_eq!(paid, Ok(3));
    let attempts: Vec<_> = trace.named("try_once").collect();
    let links: Vec<Vec<_>> =
        attempts.iter().map(|span| span.links().map(SpanContext::span_id).collect()).collect();
    let first = attempts[0].span_id();
    assert_eq!(links, [vec![], vec![first], vec![first]]);
    assert_eq!(trace.span("pay").status(), "unset");
}

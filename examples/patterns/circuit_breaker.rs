//! A circuit breaker tells what it does as events: each call that it let through or refused, and each change of its state.
//!
//! `cargo run --example circuit_breaker`
//!
//! A refusal is no fault of the call, so `error_if` leaves its status unset; that the breaker opened is seen on the call that
//! opened it.

use std::fmt;

use traced::traced;

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    is_open: bool,
}

#[derive(Debug)]
enum Failed {
    Remote(String),
    Open,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(why) => f.write_str(why),
            Self::Open => f.write_str("the circuit is open"),
        }
    }
}

impl std::error::Error for Failed {}

impl Breaker {
    const LIMIT: u32 = 3;

    #[traced(
        name = "breaker call",
        attr("circuit_breaker.name" = "inventory"),
        error_if(failed => !matches!(failed, Failed::Open))
    )]
    fn call<T>(&mut self, remote: impl FnOnce() -> Result<T, String>) -> Result<T, Failed> {
        if self.is_open {
            traced::event!("circuit_breaker.refused", failures = self.failures);
            return Err(Failed::Open);
        }
        let answer = remote().map_err(Failed::Remote);
        let failures = if answer.is_ok() { 0 } else { self.failures + 1 };
        traced::event!("circuit_breaker.call", success = answer.is_ok(), failures);
        self.failures = failures;
        if failures == Self::LIMIT {
            self.is_open = true;
            traced::event!("circuit_breaker.state", from = "closed", to = "open", failures);
        }
        answer
    }
}

#[traced(kind = client)]
fn stock(item: &str) -> Result<u32, String> {
    Err(format!("nobody answers about {item}"))
}

#[traced]
fn check(items: &[&str]) -> usize {
    let mut breaker = Breaker::default();
    items.iter().filter(|item| breaker.call(|| stock(item)).is_ok()).count()
}

fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("shop")?;
    println!("{} in stock", check(&["tea", "cup", "tin", "pot"]));
    Ok(())
}

#[test]
fn the_third_failure_opens_and_the_fourth_call_is_refused_without_a_fault() {
    let (found, trace) = traced::testing::capture(|| check(&["tea", "cup", "tin", "pot"]));
    assert_eq!(found, 0);
    let calls: Vec<_> = trace.named("breaker call").collect();
    let opened: Vec<_> = calls.iter().map(|call| call.has_event("circuit_breaker.state")).collect();
    assert_eq!(opened, [false, false, true, false]);
    assert!(calls[3].has_event("circuit_breaker.refused"));
    assert_eq!(calls[3].status(), "unset");
    assert_eq!(trace.named("stock").count(), 3);
}

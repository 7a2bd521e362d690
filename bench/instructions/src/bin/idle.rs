//! A program that sets nothing up: `count.py` looks for what it must not hold.

use std::error::Error;
use std::pin::pin;
use std::task::{Context, Waker};

use traced::traced;

#[traced(attr(a, text, shown = %a))]
fn plain(a: u64, text: &str) -> Result<u64, String> {
    if a == 0 { Err(text.to_owned()) } else { Ok(a) }
}

#[traced(attr(a), ok(sum => sum))]
async fn waits(a: u64) -> Result<u64, String> {
    std::future::ready(()).await;
    plain(a, "nothing")
}

#[traced(kind = server, parent = caller, links([caller.clone()]))]
fn serves(a: u64, caller: &opentelemetry::Context) -> Result<u64, Box<dyn Error + Send + Sync>> {
    Ok(plain(a, "nothing")?)
}

#[traced(when = a > 1, timing)]
fn returns(a: u64) -> impl Future<Output = u64> {
    async move { a }
}

fn main() {
    let a = std::env::args().count() as u64;
    let mut cx = Context::from_waker(Waker::noop());
    println!("{:?} {:?}", plain(a, "none"), serves(a, &opentelemetry::Context::new()));
    println!("{:?} {:?}", pin!(waits(a)).poll(&mut cx), pin!(returns(a)).poll(&mut cx));
}

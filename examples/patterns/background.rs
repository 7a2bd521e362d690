//! Work that outlives the request stays in its trace: the macro carries what the body spawns.
//!
//! `cargo run --example background`
//!
//! The request's span ends when its call is over, though its work goes on. What the macro cannot see is handed over by
//! `traced::propagate`, and `propagate = off` leaves work that is nobody's business alone.

use std::thread;

use tokio::task::JoinHandle;
use traced::traced;

#[traced(kind = server, attr(order))]
async fn place(order: u64) -> Vec<JoinHandle<()>> {
    let mail = tokio::spawn(send_mail(order));
    let invoice = tokio::task::spawn_blocking(move || print_invoice(order));
    // The queue of somebody else's library takes any closure, so this one brings its context along.
    let index = later(traced::propagate(move || reindex(order)));
    vec![mail, invoice, index]
}

fn later(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let thread = thread::spawn(work);
    tokio::task::spawn_blocking(move || thread.join().expect("no panic"))
}

#[traced(kind = producer, attr(order))]
async fn send_mail(order: u64) {
    tokio::task::yield_now().await;
    let _ = order;
}

#[traced(attr(order))]
fn print_invoice(order: u64) {
    let _ = order;
}

#[traced(attr(order))]
fn reindex(order: u64) {
    let _ = order;
}

async fn work() {
    for task in place(7).await {
        task.await.expect("no panic");
    }
}

#[tokio::main]
async fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("orders")?;
    work().await;
    Ok(())
}

#[tokio::test]
async fn all_that_was_spawned_stands_below_the_request() {
    let ((), trace) = traced::testing::capture(work()).await;
    for name in ["send_mail", "print_invoice", "reindex"] {
        assert_eq!(trace.span(name).parent(), Some("place"), "{trace}");
    }
}

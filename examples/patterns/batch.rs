//! A batch job is a trace of its own that links to the requests it serves: it has many causes and no parent.
//!
//! `cargo run --example batch`

use std::sync::mpsc;
use std::thread;

use traced::opentelemetry::Context;
use traced::traced;

/// What a request leaves for the batch: the work, and where it came from.
struct Job {
    order: u64,
    from: Context,
}

#[traced(kind = server, attr(order))]
fn accept(order: u64, queue: &mpsc::Sender<Job>) {
    enqueue(order, queue);
}

#[traced(kind = producer, attr(order))]
fn enqueue(order: u64, queue: &mpsc::Sender<Job>) {
    let job = Job { order, from: traced::current().context().clone() };
    queue.send(job).expect("the batch is waited for");
}

#[traced(root, kind = consumer, links(jobs.iter().map(|job| &job.from)), attr(jobs = jobs.len()))]
fn settle(jobs: &[Job]) {
    for job in jobs {
        settle_one(job);
    }
}

/// Each step says which request it is for, too.
#[traced(links([&job.from]), attr(job.order))]
fn settle_one(job: &Job) {
    let _ = job;
}

fn work() {
    let (queue, jobs) = mpsc::channel();
    for order in 1..=3 {
        accept(order, &queue);
    }
    drop(queue);
    let batch = thread::spawn(traced::propagate(move || settle(&jobs.iter().collect::<Vec<_>>())));
    batch.join().expect("no panic");
}

fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("settlement")?;
    work();
    Ok(())
}

#[test]
fn the_batch_is_linked_to_every_request_and_below_none() {
    use traced::opentelemetry::trace::SpanContext;
    use traced::testing::SpanView;

    let ((), trace) = traced::testing::capture(work);
    assert_eq!(trace.roots(), ["accept", "accept", "accept", "settle"]);
    let producers: Vec<_> = trace.named("enqueue").map(SpanView::span_id).collect();
    let links: Vec<_> = trace.span("settle").links().map(SpanContext::span_id).collect();
    assert_eq!(links, producers);
    assert_eq!(trace.named("settle_one").count(), 3);
}

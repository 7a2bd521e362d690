//! Where threads meet: traces of several of them, one budget for all, clocks beside each other, ways out while unwinding.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::future::Future as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use traced::opentelemetry::Context;
use traced::opentelemetry::trace::Status;
use traced::traced;

mod exporters;

use exporters::{Keeps, LONG, exported, turn};

#[traced]
fn inner() {}

// ---------------------------------------------------------------------------------------------------------- console

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_console_shows_a_trace_of_two_threads_in_one_block() {
    #[traced]
    fn root(to: &SyncSender<Context>, done: &Receiver<()>) {
        to.send(Context::current()).unwrap();
        done.recv().unwrap();
    }
    #[traced]
    fn child() {}
    let _turn = turn();
    let page = Page::default();
    let tracing =
        traced::builder("two").exporter(traced::Console::new().writer(page.clone())).install().unwrap();
    // This thread's ring is the first that is emptied.
    inner();
    tracing.flush().unwrap();
    let ((to, from), (done, is_done)) = (sync_channel::<Context>(1), sync_channel(1));
    let worker = thread::spawn(move || {
        for cx in from {
            let attached = cx.attach();
            child();
            drop(attached);
            done.send(()).unwrap();
        }
    });
    (0..2000).for_each(|_| root(&to, &is_done));
    drop(to);
    worker.join().unwrap();
    assert_eq!(tracing.shutdown(LONG), Ok(()));
    let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let torn = page.matches("late spans").count();
    assert_eq!(torn, 0, "of 2000, the last: {}", &page[page.len() - 300..]);
}

// ----------------------------------------------------------------------------------------------------------- budget

#[test]
fn what_may_wait_is_one_budget_for_all_threads() {
    const TEXT: usize = 250_000;
    #[traced(attr(text))]
    fn large(text: &str) {}
    let _turn = turn();
    let tracing = traced::builder("budget")
        .buffer(300_000)
        .max_value_bytes(TEXT)
        .exporter(Keeps::default())
        .install()
        .unwrap();
    let start = Barrier::new(9);
    let stats = thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let text = "x".repeat(TEXT);
                inner();
                start.wait();
                large(&text);
                start.wait();
            });
        }
        start.wait();
        start.wait();
        tracing.stats()
    });
    tracing.shutdown(LONG).unwrap();
    drop(tracing);
    traced::builder("as before").exporter(Keeps::default()).install().unwrap().shutdown(LONG).unwrap();
    // One in the rings, one in the queue, and the small ones. How many found room depends on how often there was some.
    assert!(stats.waiting <= 2 + 8 && stats.dropped.queue_full >= 1, "{stats:?}");
}

// ------------------------------------------------------------------------------------------------------- the others

#[test]
fn an_event_that_is_added_in_a_call_lies_within_it() {
    #[traced]
    fn noted() {
        traced::event!("noted");
    }
    let ((), spans) = exported(|| {
        for _ in 0..100 {
            (0..100).for_each(|_| noted());
            thread::sleep(Duration::from_millis(10));
        }
    });
    let outside = |span: &&opentelemetry_sdk::trace::SpanData| {
        let at = span.events.events[0].timestamp;
        at < span.start_time || at > span.end_time
    };
    assert_eq!(spans.all("noted").into_iter().filter(outside).count(), 0);
}

#[test]
fn a_way_out_that_nothing_sees_is_no_panic_where_the_thread_unwinds_already() {
    macro_rules! leave {
        () => {
            return
        };
    }
    #[traced]
    #[track_caller]
    fn leaves(yes: bool) {
        if yes {
            leave!();
        }
    }
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            leaves(true);
        }
    }
    let (unwound, spans) = exported(|| {
        std::panic::catch_unwind(|| {
            let _late = Late;
            panic!("before");
        })
    });
    assert!(unwound.is_err());
    assert_eq!(spans.one("leaves").status, Status::Unset);
}

/// Catches what unwinds.
fn caught(body: impl FnOnce()) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
}

/// Runs `body` when it is dropped.
struct Drops<F: FnMut()>(F);

impl<F: FnMut()> Drop for Drops<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The outcome of the last span called `step`. Each place has made a span before, so that what is used again is used again.
fn last_step(spans: &exporters::Spans) -> (Status, Vec<String>) {
    let step = *spans.all("step").last().unwrap();
    let attributes = step.attributes.iter().filter(|attribute| !attribute.key.as_str().starts_with("code."));
    let attributes = attributes.map(|attribute| format!("{}={}", attribute.key, attribute.value));
    (step.status.clone(), attributes.collect())
}

fn before_it_is_entered(unwinding_before: bool) -> exporters::Spans {
    let ((), spans) = exported(|| {
        let panics = || {
            caught(|| {
                let _step = traced::span!("step");
                panic!("second");
            });
        };
        (0..2).for_each(|_| {
            inner();
            panics();
        });
        caught(|| {
            let _late = Drops(inner);
            if unwinding_before {
                panic!("first");
            }
        });
        panics();
    });
    spans
}

#[test]
fn a_panic_before_a_span_is_entered_is_one_whatever_unwound_before() {
    let panicked = (Status::error("second"), vec!["error.type=panic".to_owned()]);
    assert_eq!(last_step(&before_it_is_entered(false)), panicked);
    assert_eq!(last_step(&before_it_is_entered(true)), panicked);
}

#[test]
fn an_attribute_that_panics_in_an_async_function_is_a_panic_whatever_unwound_before() {
    #[traced(name = "step", attr(x = boom()))]
    async fn step() {}
    fn boom() -> i64 {
        panic!("boom")
    }
    let ((), spans) = exported(|| {
        let polled = || {
            caught(|| {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = std::pin::pin!(step()).as_mut().poll(&mut cx);
            });
        };
        (0..2).for_each(|_| {
            inner();
            polled();
        });
        caught(|| {
            let _late = Drops(inner);
            panic!("first");
        });
        polled();
    });
    assert_eq!(last_step(&spans), (Status::error("boom"), vec!["error.type=panic".to_owned()]));
}

#[test]
fn a_span_that_is_dropped_unentered_while_another_panic_unwinds_is_cancelled() {
    let ((), spans) = exported(|| {
        let unused = || drop(traced::span!("step"));
        (0..2).for_each(|_| {
            inner();
            caught(|| drop(Drops(unused)));
        });
        caught(|| {
            let _late = Drops(unused);
            panic!("of another");
        });
    });
    assert_eq!(last_step(&spans), (Status::Unset, vec!["cancelled=true".to_owned()]));
}

#[test]
fn a_panic_that_is_resumed_has_no_words_of_an_earlier_one() {
    let ((), spans) = exported(|| {
        let resumes = || {
            caught(|| {
                let _step = traced::span!("step");
                std::panic::resume_unwind(Box::new("second"));
            });
        };
        (0..2).for_each(|_| {
            inner();
            resumes();
        });
        caught(|| panic!("long ago"));
        resumes();
    });
    assert_eq!(last_step(&spans).0, Status::error("panicked"));
}

//! Where threads meet: traces of several of them, one budget for all, clocks beside each other, ways out while unwinding.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

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

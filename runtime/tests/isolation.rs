//! Captures do not see each other, whatever runs beside them; and what is open at the end is said.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::thread;

use traced::testing::capture;
use traced::traced;

#[traced(attr(of, n))]
async fn outer(of: usize, n: usize) -> usize {
    let mut tasks = traced::JoinSet::new();
    for child in 0..n {
        tasks.spawn(inner(of, child));
    }
    let blocking = tokio::task::spawn_blocking(move || leaf(of));
    blocking.await.unwrap() + tasks.join_all().await.len()
}

#[traced(attr(of, n))]
async fn inner(of: usize, n: usize) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
    leaf(of);
}

#[traced(attr(of))]
fn leaf(of: usize) -> usize {
    of
}

#[test]
fn hundreds_of_captures_at_once_see_their_own_spans_only() {
    const CAPTURES: usize = 300;
    const CHILDREN: usize = 6;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    thread::scope(|scope| {
        for of in 0..CAPTURES {
            let handle = runtime.handle().clone();
            scope.spawn(move || {
                let (sum, trace) = handle.block_on(capture(outer(of, CHILDREN)));
                assert_eq!(sum, of + CHILDREN);
                assert_eq!(trace.roots(), ["outer"]);
                assert_eq!(trace.len(), 2 + 2 * CHILDREN, "{trace}");
                assert!(trace.spans().all(|span| span.attribute("of") == of), "{trace}");
                assert!(trace.spans().all(|span| span.has_ended()), "{trace}");
            });
        }
    });
}

#[test]
fn a_capture_that_panics_leaves_nothing_behind() {
    let unwound = std::panic::catch_unwind(|| capture(|| panic!("in the test")));
    assert!(unwound.is_err());
    let (_, trace) = capture(|| leaf(1));
    assert_eq!(trace.len(), 1);
    assert!(!traced::current().is_recording());
}

#[test]
fn captures_nest_as_strangers() {
    let ((_, inner), outer) = capture(|| {
        leaf(1);
        capture(|| leaf(2))
    });
    assert_eq!((inner.len(), outer.len()), (1, 1));
    assert_eq!(inner.span("leaf").attribute("of"), 2);
    assert_eq!(outer.span("leaf").attribute("of"), 1);
}

#[test]
fn spans_that_are_open_at_the_shutdown_are_listed() {
    if std::env::var_os("TRACED_TEST_OPEN").is_none() {
        let ran = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["spans_that_are_open_at_the_shutdown_are_listed", "--exact", "--nocapture"])
            .env("TRACED_TEST_OPEN", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        assert!(said.contains("left open"), "{said}");
        return;
    }
    let tracing = traced::init("open").unwrap();
    let open = traced::span!("left open");
    tracing.shutdown(std::time::Duration::from_secs(5)).unwrap();
    drop(open);
}

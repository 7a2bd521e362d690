//! Everything is dropped in the order of the plain function, and inside the span.
#![allow(missing_docs, unused_variables, unused_assignments, dead_code, clippy::all, clippy::pedantic)]

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use traced::testing::capture;
use traced::traced;

thread_local! {
    static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Notes its drop, and puts it as an event on the span that is current then.
#[derive(Debug)]
struct D(&'static str);

impl Drop for D {
    fn drop(&mut self) {
        LOG.with(|log| log.borrow_mut().push(self.0));
        traced::current().event(self.0, []);
    }
}

impl D {
    fn touch(&self) -> usize {
        self.0.len()
    }
}

fn log() -> Vec<&'static str> {
    LOG.with(|log| log.take())
}

/// One span, on which all drops show in the order of the plain function.
fn tree(order: &[&'static str]) -> String {
    let events = order.iter().map(|name| format!("    • {name}\n")).collect::<String>();
    format!("f\n{events}")
}

fn without_attributes(trace: &traced::testing::Trace) -> String {
    trace.to_string().lines().filter(|line| !line.contains(" = ")).map(|line| format!("{line}\n")).collect()
}

fn alike<A, B>(plain: impl FnOnce() -> A, traced: impl FnOnce() -> B) {
    log();
    drop(plain());
    let order = log();
    assert!(!order.is_empty());
    let (value, trace) = capture(traced);
    drop(value);
    assert_eq!(log(), order, "the order of drops");
    assert_eq!(without_attributes(&trace), tree(&order), "what drops, drops inside the span");
}

/// For bodies that stay in the function's frame: what its parameters drop comes after the span.
fn alike_in_order<A, B>(plain: impl FnOnce() -> A, traced: impl FnOnce() -> B) {
    log();
    drop(plain());
    let order = log();
    assert!(!order.is_empty());
    let (value, trace) = capture(traced);
    drop(value);
    assert_eq!(log(), order, "the order of drops");
    assert_eq!(trace.len(), 1);
}

fn on_a_runtime<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn alike_async<R, A: Future<Output = R>, B: Future<Output = R>>(plain: A, traced: B) {
    log();
    let value = on_a_runtime(plain);
    let order = log();
    drop(value);
    assert!(!order.is_empty());
    log();
    let (_, trace) = on_a_runtime(capture(traced));
    let mut traced = log();
    traced.truncate(order.len());
    assert_eq!(traced, order, "the order of drops");
    assert_eq!(without_attributes(&trace), tree(&order), "what drops, drops inside the span");
}

macro_rules! twins {
    ([$($args:tt)*] $($tokens:tt)*) => {
        mod plain {
            #[allow(unused_imports)]
            use crate::*;
            $($tokens)*
        }
        mod with {
            #[allow(unused_imports)]
            use crate::*;
            #[traced($($args)*)]
            $($tokens)*
        }
    };
}

struct Pair {
    a: D,
    b: D,
}
struct Tuple(D, D);

fn pair(a: &'static str, b: &'static str) -> Pair {
    Pair { a: D(a), b: D(b) }
}

macro_rules! sync_case {
    ($name:ident [$($args:tt)*] { $($function:tt)* } ($($value:expr),*)) => {
        mod $name {
            twins! { [$($args)*] $($function)* }
            use super::*;
            #[test]
            fn drops_as_the_plain_one() {
                alike(|| plain::f($($value),*), || with::f($($value),*));
            }
        }
    };
}

macro_rules! order_case {
    ($name:ident [$($args:tt)*] { $($function:tt)* } ($($value:expr),*)) => {
        mod $name {
            twins! { [$($args)*] $($function)* }
            use super::*;
            #[test]
            fn drops_as_the_plain_one() {
                alike_in_order(|| plain::f($($value),*), || with::f($($value),*));
            }
        }
    };
}

macro_rules! async_case {
    ($name:ident [$($args:tt)*] { $($function:tt)* } ($($value:expr),*)) => {
        mod $name {
            twins! { [$($args)*] $($function)* }
            use super::*;
            #[test]
            fn drops_as_the_plain_one() {
                alike_async(plain::f($($value),*), with::f($($value),*));
            }
        }
    };
}

sync_case! { arguments [] { pub(super) fn f(a: D, b: D, c: D) { drop(b); } } (D("a"), D("b"), D("c")) }
sync_case! { wildcards [] { pub(super) fn f(_: D, b: D, _c: D, _: &D) {} } (D("a"), D("b"), D("c"), Box::leak(Box::new(D("d")))) }
sync_case! { partly_bound_tuples [] { pub(super) fn f((a, _): (D, D), (_, d): (D, D), e: D) {} } ((D("a"), D("b")), (D("c"), D("d")), D("e")) }
sync_case! { partly_bound_structs [] { pub(super) fn f(Pair { a, .. }: Pair, Tuple(_, d): Tuple, e: D) {} } (pair("a", "b"), Tuple(D("c"), D("d")), D("e")) }
sync_case! { wholly_bound_patterns [] { pub(super) fn f(Pair { a, b }: Pair, (c, Tuple(d, e)): (D, Tuple), x: D) { drop(c); } } (pair("a", "b"), (D("c"), Tuple(D("d"), D("e"))), D("x")) }
sync_case! { fields_out_of_order [] { pub(super) fn f(Pair { b, a }: Pair, x: D) {} } (pair("a", "b"), D("x")) }
sync_case! { references_to_the_arguments [] { pub(super) fn f(ref a: D, (b, ref c): (D, D), d: D) { a.touch(); } } (D("a"), (D("b"), D("c")), D("d")) }
sync_case! { arrays [] { pub(super) fn f([a, _, c]: [D; 3], [.., z]: [D; 2]) {} } ([D("a"), D("b"), D("c")], [D("y"), D("z")]) }
sync_case! { whole_and_part [] { pub(super) fn f(x @ (_, _): (D, D), y: D) { drop(x.0); } } ((D("a"), D("b")), D("y")) }
sync_case! { locals [] { pub(super) fn f(a: D) -> usize { let x = D("x"); let y = D("y"); let _ = D("gone"); let _z = D("z"); x.touch() } } (D("a")) }
sync_case! { temporaries_of_the_tail [] { pub(super) fn f(a: D) -> usize { let x = D("x"); D("tail").touch() + D("tail 2").touch() } } (D("a")) }
sync_case! { temporaries_of_a_match_in_the_tail [] { pub(super) fn f(a: D) -> usize { let x = D("x"); match D("tail").touch() { 4 => 1, _ => 2 } } } (D("a")) }
sync_case! { temporaries_of_a_return [] { pub(super) fn f(a: D, b: D) -> usize { let x = D("x"); if a.touch() == 1 { let y = D("y"); return D("tail").touch(); } 3 } } (D("a"), D("b")) }
sync_case! { temporaries_of_a_question_mark [] { pub(super) fn f(a: D, b: D) -> Option<usize> { let x = D("x"); let n = Some(D("tail").touch()).filter(|n| *n > 9)?; Some(n) } } (D("a"), D("b")) }
sync_case! { only_a_tail [] { pub(super) fn f(a: D, b: D) -> usize { D("tail").touch() } } (D("a"), D("b")) }
sync_case! { unit_tail [] { pub(super) fn f(a: D, b: D) { let x = D("x"); { D("tail").touch(); } } } (D("a"), D("b")) }
sync_case! { reassigned [] { pub(super) fn f(mut a: D, b: D) { a = D("new a"); let c = b; } } (D("a"), D("b")) }
sync_case! { moved_in_a_branch [] { pub(super) fn f(a: D, b: D) { if b.touch() == 1 { drop(a); } let x = D("x"); } } (D("a"), D("b")) }
order_case! { opaque_values [] { pub(super) fn f(a: D, b: D) -> impl Sized { let x = D("x"); D("tail").touch() } } (D("a"), D("b")) }
sync_case! { if_let_in_the_tail [] { pub(super) fn f(a: D) -> usize { let x = D("x"); if let Some(n) = Some(D("tail").touch()).filter(|n| *n > 9) { n } else { drop(D("else")); 0 } } } (D("a")) }
sync_case! { captured_arguments [attr(n = a.0, m = b.0)] { pub(super) fn f(a: D, b: D, c: D) { drop(b); } } (D("a"), D("b"), D("c")) }
sync_case! { track_caller [] { #[track_caller] pub(super) fn f(a: D, (b, _): (D, D)) -> Option<usize> { let x = D("x"); if a.touch() > 3 { return None; } let n = Some(D("tail").touch()).filter(|n| *n > 9)?; Some(n) } } (D("a"), (D("b"), D("c"))) }
sync_case! { track_caller_tail [] { #[track_caller] pub(super) fn f(a: D, _: D) -> usize { let x = D("x"); D("tail").touch() } } (D("a"), D("b")) }

/// Can be taken apart without moving: the whole stays where it was, to be dropped.
struct Whole {
    x: u8,
    y: u8,
}
impl Drop for Whole {
    fn drop(&mut self) {
        drop(D("whole"));
    }
}
sync_case! { fields_copied_out_of_a_type_that_drops [] { pub(super) fn f(a: D, Whole { x, y }: Whole, b: D) {} } (D("a"), Whole { x: 1, y: 2 }, D("b")) }

struct Unit;
impl Drop for Unit {
    fn drop(&mut self) {
        drop(D("unit"));
    }
}
// Once a fault: a unit struct as a pattern is taken for a name: `let Unit = Unit;` makes and drops another one.
sync_case! { unit_structs_as_patterns [] { pub(super) fn f(a: D, Unit: Unit) {} } (D("a"), Unit) }

mod methods_by_value {
    // A generic wrapper is a macro here, since a closure is not generic.
    macro_rules! by {
        ($alike:ident $name:ident { $($method:tt)* } |$x:ident| $wrap:expr) => {
            mod $name {
                use crate::*;
                struct Plain { a: D, b: D }
                struct With { a: D, b: D }
                impl Plain { $($method)* }
                impl With { #[traced] $($method)* }
                #[test]
                fn drops_as_the_plain_one() {
                    $alike(
                        || Plain::f({ let $x = Plain { a: D("a"), b: D("b") }; $wrap }, D("x")),
                        || With::f({ let $x = With { a: D("a"), b: D("b") }; $wrap }, D("x")),
                    );
                }
            }
        };
    }
    by! { alike unused { fn f(self, x: D) { let y = D("y"); } } |x| x }
    by! { alike partly_moved { fn f(self, x: D) { let y = self.a; } } |x| x }
    by! { alike mutable { fn f(mut self, x: D) { self.a = D("new a"); } } |x| x }
    by! { alike boxed { fn f(self: Box<Self>, x: D) { let a = self.a; } } |x| Box::new(x) }
    by! { alike counted { fn f(self: Arc<Self>, x: D) { let y = D("y"); } } |x| Arc::new(x) }
    by! { alike taken_apart { fn f(self, x: D) { let Self { a, b: _ } = self; let z = D("z"); } } |x| x }
    by! { alike tail { fn f(self, x: D) -> usize { let z = D("z"); D("tail").touch() } } |x| x }
    // The frame keeps `self`, so that it drops after the span.
    by! { alike_in_order tracked { #[track_caller] fn f(self, x: D) -> usize { let z = D("z"); D("tail").touch() } } |x| x }
    by! { alike_in_order tracked_and_boxed { #[track_caller] fn f(self: Box<Self>, x: D) -> usize { let z = self.b; D("tail").touch() } } |x| Box::new(x) }
}

async fn rest() {
    tokio::task::yield_now().await;
}

async_case! { async_arguments [] { pub(super) async fn f(a: D, b: D, c: D) { rest().await; drop(b); } } (D("a"), D("b"), D("c")) }
async_case! { async_wildcards [] { pub(super) async fn f(_: D, b: D, _c: D) { rest().await; } } (D("a"), D("b"), D("c")) }
async_case! { async_patterns [] { pub(super) async fn f((a, _): (D, D), Pair { b, .. }: Pair, e: D) { rest().await; } } ((D("a"), D("b")), pair("c", "d"), D("e")) }
async_case! { async_whole_patterns [] { pub(super) async fn f(Pair { a, b }: Pair, (c, d): (D, D), e: D) { rest().await; } } (pair("a", "b"), (D("c"), D("d")), D("e")) }
async_case! { async_references [] { pub(super) async fn f(ref a: D, (b, ref c): (D, D)) { rest().await; } } (D("a"), (D("b"), D("c"))) }
async_case! { async_locals [] { pub(super) async fn f(a: D) -> usize { let x = D("x"); rest().await; let y = D("y"); D("tail").touch() } } (D("a")) }
async_case! { async_return [] { pub(super) async fn f(a: D, b: D) -> usize { let x = D("x"); if a.touch() == 1 { let y = D("y"); return D("tail").touch(); } rest().await; 3 } } (D("a"), D("b")) }
async_case! { async_question_mark [] { pub(super) async fn f(a: D, b: D) -> Option<usize> { let x = D("x"); rest().await; let n = Some(D("tail").touch()).filter(|n| *n > 9)?; Some(n) } } (D("a"), D("b")) }
async_case! { async_unit_tail [] { pub(super) async fn f(a: D) { let x = D("x"); { D("tail").touch(); } } } (D("a")) }
async_case! { async_awaited_tail [] { pub(super) async fn f(a: D) { async fn g(d: &D) {} let x = D("x"); g(&D("tail")).await } } (D("a")) }
async_case! { async_fields_copied_out [] { pub(super) async fn f(a: D, Whole { x, y }: Whole, b: D) { rest().await; } } (D("a"), Whole { x: 1, y: 2 }, D("b")) }

/// Polls once, then drops.
fn polled_once<F: Future>(future: F) {
    on_a_runtime(async {
        let mut future = Box::pin(future);
        let _ = futures_util::poll!(&mut future);
    });
}

#[test]
fn a_cancelled_future_drops_in_order_and_inside_the_span() {
    twins! { [] pub(super) async fn f(a: D, (b, _): (D, D), _: D) { let x = D("x"); let y = D("y"); rest().await; drop(y); } }
    log();
    polled_once(plain::f(D("a"), (D("b"), D("c")), D("d")));
    let order = log();
    let ((), trace) = capture(|| polled_once(with::f(D("a"), (D("b"), D("c")), D("d"))));
    assert_eq!(log(), order);
    let events = order.iter().map(|name| format!("    • {name}\n")).collect::<String>();
    assert_eq!(trace.to_string(), format!("f\n    cancelled: bool = true\n{events}"));
}

#[test]
fn a_future_that_is_never_polled_drops_its_arguments_in_order_and_has_no_span() {
    twins! { [attr(n = 1)] pub(super) async fn f(a: D, (b, _): (D, D), _: D, e: D) { rest().await; } }
    log();
    drop(plain::f(D("a"), (D("b"), D("c")), D("d"), D("e")));
    let order = log();
    let ((), trace) = capture(|| drop(with::f(D("a"), (D("b"), D("c")), D("d"), D("e"))));
    assert_eq!(log(), order);
    assert_eq!(trace.to_string(), "");
}

#[test]
fn a_panic_unwinds_in_order_and_inside_the_span() {
    twins! { [errors = off] pub(super) fn f(a: D, (b, _): (D, D), _: D) -> u8 { let x = D("x"); let y = D("y"); if a.touch() == 1 { panic!("no") } 3 } }
    log();
    catch_unwind(|| plain::f(D("a"), (D("b"), D("c")), D("d"))).unwrap_err();
    let order = log();
    let (_, trace) = capture(|| catch_unwind(|| with::f(D("a"), (D("b"), D("c")), D("d"))).unwrap_err());
    assert_eq!(log(), order);
    assert_eq!(
        trace.span("f").events().map(|event| event.name()).collect::<Vec<_>>(),
        [order, vec!["exception"]].concat()
    );
}

#[test]
fn a_panic_unwinds_an_async_body_in_order_and_inside_the_span() {
    twins! { [] pub(super) async fn f(a: D, (b, _): (D, D), _: D) -> u8 { let x = D("x"); rest().await; let y = D("y"); if a.touch() == 1 { panic!("no") } 3 } }
    log();
    catch_unwind(|| on_a_runtime(plain::f(D("a"), (D("b"), D("c")), D("d")))).unwrap_err();
    let order = log();
    let (_, trace) = capture(|| {
        catch_unwind(AssertUnwindSafe(|| on_a_runtime(with::f(D("a"), (D("b"), D("c")), D("d")))))
            .unwrap_err()
    });
    assert_eq!(log(), order);
    assert_eq!(
        trace.span("f").events().map(|event| event.name()).collect::<Vec<_>>(),
        [order, vec!["exception"]].concat()
    );
}

#[test]
fn a_method_by_value_drops_self_inside_the_span() {
    struct Plain(D, D);
    struct With(D, D);
    impl Plain {
        async fn f(self, x: D) -> usize {
            rest().await;
            let y = self.0;
            D("tail").touch()
        }
    }
    impl With {
        #[traced]
        async fn f(self, x: D) -> usize {
            rest().await;
            let y = self.0;
            D("tail").touch()
        }
    }
    alike_async(Plain(D("a"), D("b")).f(D("x")), With(D("a"), D("b")).f(D("x")));
}

#[test]
fn the_arguments_of_a_function_that_returns_a_future_drop_when_it_is_called() {
    twins! { [] pub(super) fn f(a: D, b: D, (c, _): (D, D)) -> impl Future<Output = usize> { let x = D("x"); let n = D("made").touch(); async move { drop(b); n } } }
    let run = |future: &mut dyn FnMut() -> usize| {
        log();
        future();
        log()
    };
    let order = run(&mut || {
        let f = plain::f(D("a"), D("b"), (D("c"), D("d")));
        drop(D("called"));
        on_a_runtime(f)
    });
    let traced = run(&mut || {
        let f = capture(|| with::f(D("a"), D("b"), (D("c"), D("d")))).0;
        drop(D("called"));
        on_a_runtime(f)
    });
    assert_eq!(traced, order);
}

#[test]
fn a_lock_held_by_the_tail_is_free_when_the_function_returns() {
    use std::sync::Mutex;
    struct Peek<'a>(&'a Mutex<u8>);
    impl Drop for Peek<'_> {
        fn drop(&mut self) {
            // Whether the temporary of the tail is gone before the locals is the edition's affair.
            drop(D(if self.0.try_lock().is_ok() { "free" } else { "held" }));
        }
    }
    twins! { [] pub(super) fn f(lock: &std::sync::Mutex<u8>, _peek: &dyn std::any::Any) -> u8 { *lock.lock().unwrap() } }
    assert_eq!(with::f(&Mutex::new(3), &()), plain::f(&Mutex::new(3), &()));
    let lock = Mutex::new(7);
    let plain = |lock: &Mutex<u8>| {
        let peek = Peek(lock);
        *lock.lock().unwrap()
    };
    #[traced]
    fn f(lock: &Mutex<u8>) -> u8 {
        let peek = Peek(lock);
        *lock.lock().unwrap()
    }
    log();
    plain(&lock);
    let order = log();
    let (_, trace) = capture(|| f(&lock));
    assert_eq!(trace.to_string(), tree(&order));
}

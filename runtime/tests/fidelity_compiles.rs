//! What compiles without the attribute compiles with it.
#![allow(
    missing_docs,
    dropping_copy_types,
    unused_variables,
    unused_imports,
    dead_code,
    unreachable_code,
    clippy::all,
    clippy::pedantic
)]

use std::error::Error;
use std::fmt::{Debug, Display};
use std::future::Future;

use futures_util::FutureExt;
use traced::testing::capture;
use traced::traced;

fn tree(run: impl FnOnce()) -> String {
    capture(run).1.to_string()
}

// Once a fault: the type that `impl Trait` promises does not reach the body, so nothing in it can be inferred from it.

mod closures_returned_as_impl_fn {
    use super::*;
    #[traced]
    fn borrows() -> impl Fn(&str) -> &str {
        |s| s
    }
    #[traced]
    fn converts() -> impl Fn(u32) -> u64 {
        |n| n.into()
    }
    #[traced]
    fn pushes(k: u32) -> impl FnMut(&mut Vec<u32>) {
        move |v| v.push(k)
    }
    #[test]
    fn they_compile() {
        let tree = tree(|| {
            assert_eq!(borrows()("a"), "a");
            assert_eq!(converts()(1), 1);
            pushes(3)(&mut Vec::new());
        });
        assert_eq!(tree, "borrows\nconverts\npushes\n");
    }
}

// Once a fault: as above; `?` and `Ok` in such a body do not know the error's type.

mod results_of_impl_trait {
    use super::*;
    #[traced]
    fn ok() -> Result<impl Iterator<Item = u8>, String> {
        Ok([1].into_iter())
    }
    #[traced]
    fn question_mark(s: &str) -> Result<impl Iterator<Item = u8>, Box<dyn Error>> {
        let n = s.parse()?;
        Ok(std::iter::once(n))
    }
    #[traced]
    async fn asynchronous(s: &str) -> Result<impl Iterator<Item = u8>, Box<dyn Error>> {
        let n = s.parse()?;
        Ok(std::iter::once(n))
    }
    #[traced]
    fn coerced() -> (impl Display, Box<dyn Error>) {
        ("x", Box::new(std::fmt::Error))
    }
    struct S(Vec<String>);
    #[traced]
    impl S {
        fn borrowed(&mut self) -> Result<impl Iterator<Item = &mut String>, String> {
            Ok(self.0.iter_mut())
        }
    }
    #[test]
    fn they_compile() {
        let tree = tree(|| {
            assert_eq!(ok().unwrap().count(), 1);
            assert_eq!(question_mark("3").unwrap().next(), Some(3));
            assert!(asynchronous("x").now_or_never().unwrap().is_err());
            assert_eq!(coerced().0.to_string(), "x");
            assert_eq!(S(vec![]).borrowed().unwrap().count(), 0);
        });
        assert!(
            tree.starts_with("ok\nquestion_mark\nasynchronous error \"invalid digit found in string\"\n"),
            "{tree}"
        );
    }
}

// Once a fault: as above; the most usual way to write a service without `async fn`.

mod futures_of_results {
    use super::*;
    #[traced]
    fn ok() -> impl Future<Output = Result<(), String>> {
        async { Ok(()) }
    }
    #[traced]
    fn question_mark(
        s: String,
    ) -> impl Future<Output = Result<u8, Box<dyn Error + Send + Sync>>> + Send + 'static {
        async move {
            let n = s.parse::<u8>()?;
            if n == 3 {
                return Err("three".into());
            }
            Ok(n)
        }
    }
    #[traced]
    fn panics() -> impl Future<Output = u8> {
        async { panic!("in the future") }
    }
    #[traced]
    fn waits() -> impl Future<Output = ()> {
        async { std::future::pending().await }
    }
    #[test]
    fn they_compile() {
        let tree = tree(|| {
            ok().now_or_never().unwrap().unwrap();
            question_mark("3".into()).now_or_never().unwrap().unwrap_err();
            let _ = waits();
        });
        assert!(tree.starts_with("ok\nquestion_mark error \"three\"\n"), "{tree}");
    }
}

// Once a fault: the value of a body that never gives one is taken for an error.

mod opaque_and_never {
    use super::*;
    #[traced]
    fn not_yet() -> impl Sized {
        todo!()
    }
    #[test]
    fn they_compile() {
        let (_, trace) = capture(|| std::panic::catch_unwind(|| drop(not_yet())));
        assert_eq!(trace.span("not_yet").status(), "error: not yet implemented");
    }
}

// Once a fault: the labelled block has no type of its own, so its first `return` decides.

mod tracked_returns_that_coerce {
    use super::*;
    #[traced]
    #[track_caller]
    fn boxed(c: bool) -> Box<dyn Debug> {
        if c {
            return Box::new(1);
        }
        Box::new("x")
    }
    #[traced]
    #[track_caller]
    fn slice(c: bool) -> &'static [u8] {
        if c {
            return &[1, 2];
        }
        &[1]
    }
    #[test]
    fn they_compile() {
        assert_eq!(tree(|| drop((boxed(true), slice(true)))), "boxed\nslice\n");
    }
}

// Once a fault: the `match` that `?` becomes stands without parentheses, which at the beginning of a statement ends there.

mod tracked_question_marks_in_operators {
    use super::*;
    #[traced]
    #[track_caller]
    fn sum(n: Option<u32>) -> Option<u32> {
        let x = if true { n? + 1 } else { 2 };
        Some(x)
    }
    #[traced]
    #[track_caller]
    fn compare(n: Option<u32>) -> Option<bool> {
        let x = { n? == 3 };
        Some(x)
    }
    #[traced]
    #[track_caller]
    fn cast(n: Option<u32>) -> Option<u64> {
        let x = { n? as u64 };
        Some(x)
    }
    #[traced]
    #[track_caller]
    fn index(n: Option<&mut Vec<u8>>) -> Option<()> {
        n?[0] = 1;
        Some(())
    }
    #[traced]
    #[track_caller]
    fn call(n: Option<fn(u8) -> u8>) -> Option<u8> {
        let x = { n?(3) };
        Some(x)
    }
    #[traced]
    #[track_caller]
    fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
        let x = { a? && b? };
        Some(x)
    }
    #[test]
    fn they_compile() {
        assert_eq!(
            tree(|| {
                assert_eq!((sum(Some(1)), compare(Some(3)), cast(Some(1))), (Some(2), Some(true), Some(1)));
                assert_eq!(
                    (index(Some(&mut vec![0])), call(Some(|n| n + 1)), both(Some(true), None)),
                    (Some(()), Some(4), None)
                );
            }),
            "sum\ncompare\ncast\nindex\ncall\nboth\n"
        );
    }
}

// Once a fault: `let __traced_0 = …; let ref mut x = __traced_0;` borrows mutably from what is not `mut`.

mod mutable_references_as_patterns {
    use super::*;
    #[traced]
    fn whole(ref mut x: u32) -> u32 {
        *x += 1;
        *x
    }
    #[traced]
    fn part((ref mut x, _): (String, String)) -> usize {
        x.push('a');
        x.len()
    }
    #[traced]
    async fn asynchronous(ref mut x: u32, (ref mut z, _): (u32, u8)) -> u32 {
        *x += 1;
        *z += 1;
        *x + *z
    }
    #[test]
    fn they_compile() {
        assert_eq!(
            tree(|| {
                assert_eq!((whole(1), part((String::new(), String::new()))), (2, 1));
                assert_eq!(asynchronous(1, (1, 1)).now_or_never(), Some(4));
            }),
            "whole\npart\nasynchronous\n"
        );
    }
}

// Once a fault: a `$body:block` is braces in an invisible group.

mod bodies_handed_to_macros {
    use super::*;
    macro_rules! function {
        ($name:ident $body:block) => {
            #[traced]
            fn $name() -> u8 $body
        };
    }
    function!(blocky { 1 });
    #[test]
    fn they_compile() {
        assert_eq!(tree(|| assert_eq!(blocky(), 1)), "blocky\n");
    }
}

// Once a fault: `task::spawn` and `thread::spawn` may be anybody's; what is no future or closure should pass unchanged.

mod functions_called_like_tokios {
    use super::*;
    mod task {
        pub(super) fn spawn(n: u32) -> u32 {
            n
        }
        pub(super) fn spawn_blocking<T>(t: T) -> T {
            t
        }
    }
    mod thread {
        pub(super) fn spawn(f: fn(u8)) {
            f(1);
        }
        pub(super) struct Builder;
        impl Builder {
            pub(super) fn new() -> Self {
                Self
            }
            pub(super) fn spawn(self, _: u8) {}
        }
    }
    #[traced]
    fn calls() -> u32 {
        thread::spawn(|_| ());
        thread::Builder::new().spawn(3);
        task::spawn(3) + task::spawn_blocking(4)
    }
    #[test]
    fn they_compile() {
        assert_eq!(tree(|| assert_eq!(calls(), 7)), "calls\n");
    }
}

// Once a fault: `Call` and `&mut` of the driver are not `UnwindSafe`, so no traced future is.

mod unwind_safety {
    use super::*;
    #[traced]
    async fn asynchronous(n: u8) -> u8 {
        std::future::ready(()).await;
        n
    }
    #[traced]
    fn returned(n: u8) -> impl Future<Output = u8> {
        std::future::ready(n)
    }
    fn unwind<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>(value: T) -> T {
        value
    }
    #[test]
    fn they_compile() {
        assert_eq!(
            tree(|| drop((unwind(asynchronous(1)).now_or_never(), unwind(returned(2)).now_or_never()))),
            "asynchronous\nreturned\n"
        );
    }
}

// Once a fault: other bounds of a returned future are lost in the wrapper (`Debug` for its closure's sake, `Clone`, `FusedFuture`).

mod more_bounds_of_a_future {
    use super::*;
    #[traced]
    fn shown(n: u8) -> impl Future<Output = u8> + Unpin + Debug {
        std::future::ready(n)
    }
    #[traced]
    fn fused(n: u8) -> impl Future<Output = u8> + futures_util::future::FusedFuture {
        std::future::ready(n).fuse()
    }
    #[test]
    fn they_compile() {
        assert_eq!(tree(|| drop((shown(1).now_or_never(), fused(1).now_or_never()))), "shown\nfused\n");
    }
}

mod inner_attributes {
    use super::*;
    struct S;
    #[traced]
    impl S {
        #![allow(dead_code)]
        fn first(&self) {}
        fn second(&self) {
            #![allow(unused)]
            let x = 1;
        }
    }
    #[test]
    fn the_first_method_behind_them_is_traced() {
        assert_eq!(
            tree(|| {
                S.first();
                S.second()
            }),
            "S::first\nS::second\n"
        );
    }
}

mod send_and_sync {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    fn send<T: Send>(value: T) -> T {
        value
    }
    fn sync<T: Sync>(value: T) -> T {
        value
    }
    fn unpin<T: Unpin>(value: T) -> T {
        value
    }

    #[traced(attr(n = Rc::new(cell.get()).to_string(), shown = ?&cell as &dyn Debug))]
    async fn with_a_cell(cell: Cell<u8>) -> Result<u8, String> {
        std::future::ready(()).await;
        Ok(cell.get())
    }
    #[traced]
    async fn with_a_receiver(receiver: std::sync::mpsc::Receiver<u8>) {
        std::future::ready(()).await;
        drop(receiver);
    }
    #[traced]
    async fn with_an_rc(rc: Rc<u8>) {
        std::future::ready(()).await;
        drop(rc);
    }
    #[traced]
    async fn with_a_reference(cell: &RefCell<u8>) {
        std::future::ready(()).await;
        let _ = cell;
    }
    #[traced]
    fn returned(n: u8) -> impl Future<Output = Result<u8, String>> + Send + Sync + Unpin {
        std::future::ready(Ok::<_, String>(n))
    }
    #[traced]
    fn returned_rc(n: Rc<u8>) -> impl Future<Output = u8> {
        async move { *n }
    }
    #[traced]
    fn stream(n: u8) -> impl futures_util::Stream<Item = u8> + Send + Sync + Unpin {
        futures_util::stream::iter([n])
    }
    #[traced]
    async fn generic<T>(value: T) -> T {
        value
    }

    /// Says of an expression whether it is `Send`: the inherent constant wins where its bound is met.
    macro_rules! is_send {
        ($value:expr) => {{
            struct Of<T>(std::marker::PhantomData<T>);
            trait Not {
                fn send(&self) -> bool {
                    false
                }
            }
            impl<T> Not for Of<T> {}
            impl<T: Send> Of<T> {
                fn send(&self) -> bool {
                    true
                }
            }
            fn of<T>(_: &T) -> Of<T> {
                Of(std::marker::PhantomData)
            }
            of(&$value).send()
        }};
    }

    #[test]
    fn what_is_send_stays_send_and_what_is_not_does_not_become_it() {
        let ((), trace) = capture(|| {
            send(with_a_cell(Cell::new(1))).now_or_never();
            send(with_a_receiver(std::sync::mpsc::channel().1)).now_or_never();
            unpin(send(sync(returned(1)))).now_or_never();
            let _ = unpin(send(sync(stream(1))));
            sync(send(generic(1))).now_or_never();
            assert!(!is_send!(with_an_rc(Rc::new(1))));
            assert!(!is_send!(with_a_reference(&RefCell::new(1))));
            assert!(!is_send!(returned_rc(Rc::new(1))));
            assert!(is_send!(generic(1)));
            assert!(!is_send!(generic(Rc::new(1))));
        });
        assert_eq!(
            trace.to_string(),
            "\
with_a_cell
    n: str = \"1\"
    shown: str = \"Cell { value: 1 }\"
with_a_receiver
returned
generic
"
        );
    }
}

mod borrows {
    use super::*;
    struct S {
        a: String,
        b: Vec<String>,
    }

    impl S {
        #[traced(err(e => why = %e), ok(s => length = s.len()), ret(r => is_ok = r.is_ok()))]
        fn last(&mut self, key: &str) -> Result<&mut String, String> {
            if key == self.a {
                return Err(self.a.clone());
            }
            self.b.last_mut().ok_or_else(|| "none".to_owned())
        }
        #[traced(err(e => why = %e))]
        async fn last_async(&mut self, key: &str) -> Result<&mut String, String> {
            if let Some(at) = self.b.iter().position(|b| b == key) {
                return Ok(&mut self.b[at]);
            }
            self.b.last_mut().ok_or_else(|| "none".to_owned())
        }
        #[traced]
        fn all(&mut self) -> impl Iterator<Item = &mut String> {
            self.b.iter_mut()
        }
        #[traced]
        fn either(&mut self, key: usize) -> &mut String {
            let v = &mut self.b;
            if key == 9 {
                return &mut self.a;
            }
            &mut v[key]
        }
    }
    #[traced]
    fn reassigned<'a>(mut rest: &'a mut [u8], mut n: usize) -> Option<&'a mut u8> {
        while n > 0 {
            let (_, after) = rest.split_first_mut()?;
            rest = after;
            n -= 1;
        }
        rest.first_mut()
    }
    #[traced]
    async fn reassigned_async<'a>(mut rest: &'a mut [u8], mut n: usize) -> Option<&'a mut u8> {
        while n > 0 {
            std::future::ready(()).await;
            let (_, after) = rest.split_first_mut()?;
            rest = after;
            n -= 1;
        }
        rest.first_mut()
    }

    #[test]
    fn what_an_argument_lends_comes_back() {
        let ((), trace) = capture(|| {
            let mut s = S { a: "a".into(), b: vec!["b".into(), "cc".into()] };
            s.last("b").unwrap().push('!');
            s.last("a").unwrap_err();
            s.last_async("b").now_or_never().unwrap().unwrap().push('!');
            s.all().for_each(|s| s.push('?'));
            s.either(9).push('9');
            s.either(0).push('0');
            assert_eq!((s.a.as_str(), s.b), ("a9", vec!["b!?0".to_owned(), "cc!?".to_owned()]));
            let mut bytes = [1, 2, 3];
            *reassigned(&mut bytes, 2).unwrap() += 1;
            *reassigned_async(&mut bytes, 1).now_or_never().unwrap().unwrap() += 1;
            assert_eq!(bytes, [1, 3, 4]);
        });
        assert_eq!(
            trace.to_string(),
            "\
last
    is_ok: bool = true
    length: i64 = 2
last error \"a\"
    is_ok: bool = false
    why: str = \"a\"
    error.type: str = \"alloc::string::String\"
    • exception
        exception.type: str = \"alloc::string::String\"
        exception.message: str = \"a\"
last_async
all
either
either
reassigned
reassigned_async
"
        );
    }
}

mod async_trait {
    use super::*;

    #[::async_trait::async_trait]
    trait Store {
        async fn load(&self, key: &str) -> Result<u8, String>;
        #[traced(attr(length = y.len()))]
        async fn count(&mut self, (x, _): (u8, u8), mut y: String) -> u8
        where
            Self: Send,
        {
            y.push('x');
            x + y.len() as u8
        }
    }
    struct Inside(u8);
    #[::async_trait::async_trait]
    impl Store for Inside {
        #[traced(attr(key, self.0))]
        async fn load(&self, key: &str) -> Result<u8, String> {
            let n: u8 = key.parse().map_err(|_| "no number".to_owned())?;
            tokio::task::yield_now().await;
            Ok(n + self.0)
        }
    }
    struct Above(u8);
    #[traced]
    #[::async_trait::async_trait]
    impl Store for Above {
        #[traced(attr(key, self.0))]
        async fn load(&self, key: &str) -> Result<u8, String> {
            let n: u8 = key.parse().map_err(|_| "no number".to_owned())?;
            tokio::task::yield_now().await;
            Ok(n + self.0)
        }
    }
    struct Below(u8);
    #[::async_trait::async_trait]
    #[traced]
    impl Store for Below {
        #[traced(attr(key, self.0))]
        async fn load(&self, key: &str) -> Result<u8, String> {
            let n: u8 = key.parse().map_err(|_| "no number".to_owned())?;
            tokio::task::yield_now().await;
            Ok(n + self.0)
        }
    }

    #[tokio::test]
    async fn methods_are_traced_above_and_below() {
        for which in ["load", "Above::load", "Below::load"] {
            let (_, trace) = capture(async {
                let store: Box<dyn Store + Send + Sync> = match which {
                    "load" => Box::new(Inside(1)),
                    "Above::load" => Box::new(Above(1)),
                    _ => Box::new(Below(1)),
                };
                store.load("3").await.unwrap();
                store.load("x").await.unwrap_err();
            })
            .await;
            assert_eq!(
                trace.to_string(),
                format!(
                    "\
{which}
    key: str = \"3\"
    0: i64 = 1
{which} error \"no number\"
    key: str = \"x\"
    0: i64 = 1
    error.type: str = \"alloc::string::String\"
    • exception
        exception.type: str = \"alloc::string::String\"
        exception.message: str = \"no number\"
"
                )
            );
        }
    }

    #[tokio::test]
    async fn default_methods_are_traced() {
        let (n, trace) = capture(async { Inside(1).count((3, 4), "ab".into()).await }).await;
        assert_eq!((n, trace.to_string().as_str()), (6, "count\n    length: i64 = 2\n"));
    }
}

//! What a call's value, panic or drop says, whatever its type is called.
#![allow(missing_docs, unreachable_code, clippy::all, clippy::pedantic)]

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use traced::testing::{Trace, capture};
use traced::traced;

#[derive(Debug, Clone, PartialEq)]
struct Inner;
impl Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inner")
    }
}
impl Error for Inner {}

#[derive(Debug)]
struct Outer(Inner);
impl Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}
impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// status, `error.type`, `exception.type`, `exception.message`, `exception.stacktrace`
fn read(trace: &Trace, name: &str) -> String {
    let span = trace.span(name);
    let text = |value: Option<&traced::opentelemetry::Value>| {
        value.map_or("-".to_owned(), |value| value.to_string())
    };
    let event = |key: &str| {
        span.has_event("exception")
            .then(|| text(span.event("exception").attribute(key).value()))
            .unwrap_or("-".into())
    };
    assert!(span.events().filter(|event| event.name() == "exception").count() <= 1, "{trace}");
    format!(
        "{} | {} | {} | {} | {}",
        span.status(),
        text(span.attribute("error.type").value()),
        event("exception.type"),
        event("exception.message"),
        event("exception.stacktrace"),
    )
}

macro_rules! fails_as {
    ($($name:ident ($($body:tt)*) $expected:expr;)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            #[traced]
            $($body)*
            #[test]
            fn is_recorded() {
                let (_, trace) = capture(|| f());
                assert_eq!(read(&trace, "f"), $expected);
            }
        }
    )*};
}

type Alias<T> = Result<T, Outer>;
type Plain = Alias<u8>;
type Deep = Option<Poll<Alias<()>>>;
type Anyhow = anyhow::Result<()>;
#[derive(Debug)]
struct Opaque;
#[derive(Debug)]
enum Kind {
    NotFound,
}
struct Shown;
impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}
struct Nothing;

const OUTER: &str =
    "error: outer | fidelity_outcome::Outer | fidelity_outcome::Outer | outer | outer\ncaused by: inner";
const INNER: &str = "error: inner | fidelity_outcome::Inner | fidelity_outcome::Inner | inner | -";
const WELL: &str = "unset | - | - | - | -";

fails_as! {
    an_alias (fn f() -> Plain { Err(Outer(Inner)) }) OUTER;
    a_question_mark (fn f() -> Plain { Err(Outer(Inner))?; Ok(1) }) OUTER;
    an_alias_in_option_and_poll (fn f() -> Deep { Some(Poll::Ready(Err(Outer(Inner)))) }) OUTER;
    an_option_of_a_result (fn f() -> Option<Result<u8, Inner>> { Some(Err(Inner)) }) INNER;
    an_option_of_an_ok (fn f() -> Option<Result<u8, Inner>> { Some(Ok(3)) }) WELL;
    none (fn f() -> Option<Result<u8, Inner>> { None }) WELL;
    a_poll_of_a_result (fn f() -> Poll<Result<u8, Inner>> { Poll::Ready(Err(Inner)) }) INNER;
    a_poll_of_an_option (fn f() -> Poll<Option<Result<u8, Inner>>> { Poll::Ready(Some(Err(Inner))) }) INNER;
    pending (fn f() -> Poll<Result<u8, Inner>> { Poll::Pending }) WELL;
    an_option_is_no_error (fn f() -> Option<u8> { None }) WELL;
    a_box (fn f() -> Result<(), Box<dyn Error>> { Err(Box::new(Outer(Inner))) }) "error: outer | alloc::boxed::Box<dyn core::error::Error> | alloc::boxed::Box<dyn core::error::Error> | outer | outer\ncaused by: inner";
    a_box_that_is_send (fn f() -> Result<(), Box<dyn Error + Send + Sync>> { Err(Outer(Inner).into()) }) "error: outer | alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync> | alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync> | outer | outer\ncaused by: inner";
    a_box_of_text (fn f() -> Result<(), Box<dyn Error>> { Err("text")? }) "error: text | alloc::boxed::Box<dyn core::error::Error> | alloc::boxed::Box<dyn core::error::Error> | text | -";
    a_box_of_an_error (fn f() -> Result<(), Box<Outer>> { Err(Box::new(Outer(Inner))) }) "error: outer | alloc::boxed::Box<fidelity_outcome::Outer> | alloc::boxed::Box<fidelity_outcome::Outer> | outer | outer\ncaused by: inner";
    an_arc_of_an_error (fn f() -> Result<(), Arc<Outer>> { Err(Arc::new(Outer(Inner))) }) "error: outer | alloc::sync::Arc<fidelity_outcome::Outer> | alloc::sync::Arc<fidelity_outcome::Outer> | outer | outer\ncaused by: inner";
    an_arc_of_any_error (fn f() -> Result<(), Arc<dyn Error + Send + Sync>> { Err(Arc::new(Outer(Inner))) }) "error: outer | alloc::sync::Arc<dyn core::error::Error + core::marker::Send + core::marker::Sync> | alloc::sync::Arc<dyn core::error::Error + core::marker::Send + core::marker::Sync> | outer | outer\ncaused by: inner";
    an_rc_of_any_error (fn f() -> Result<(), std::rc::Rc<dyn Error>> { Err(std::rc::Rc::new(Outer(Inner))) }) "error: outer | alloc::rc::Rc<dyn core::error::Error> | alloc::rc::Rc<dyn core::error::Error> | outer | outer\ncaused by: inner";
    a_reference_to_any_error (fn f() -> Result<(), &'static (dyn Error + 'static)> { Err(&Inner) }) "error: inner | &dyn core::error::Error | &dyn core::error::Error | inner | -";
    anyhow_s (fn f() -> Anyhow { Err(Outer(Inner))? }) "error: outer | anyhow::Error | anyhow::Error | outer | outer\ncaused by: inner";
    anyhow_s_with_context (fn f() -> Anyhow { use anyhow::Context; Err(Outer(Inner)).context("more") }) "error: more | anyhow::Error | anyhow::Error | more | more\ncaused by: outer\ncaused by: inner";
    anyhow_s_text (fn f() -> Anyhow { anyhow::bail!("text {}", 1) }) "error: text 1 | anyhow::Error | anyhow::Error | text 1 | -";
    a_string (fn f() -> Result<(), String> { Err("text".into()) }) "error: text | alloc::string::String | alloc::string::String | text | -";
    a_str (fn f() -> Result<(), &'static str> { Err("text") }) "error: text | &str | &str | text | -";
    a_cow (fn f() -> Result<(), std::borrow::Cow<'static, str>> { Err("text".into()) }) "error: text | alloc::borrow::Cow<'_, str> | alloc::borrow::Cow<'_, str> | text | -";
    a_unit (fn f() -> Result<u8, ()> { Err(()) }) "error: () | () | () | () | -";
    debug_only (fn f() -> Result<u8, Opaque> { Err(Opaque) }) "error: Opaque | fidelity_outcome::Opaque | fidelity_outcome::Opaque | Opaque | -";
    debug_only_enum (fn f() -> Result<u8, Kind> { Err(Kind::NotFound) }) "error: NotFound | fidelity_outcome::Kind | fidelity_outcome::Kind | NotFound | -";
    display_only (fn f() -> Result<u8, Shown> { Err(Shown) }) "error: shown | fidelity_outcome::Shown | fidelity_outcome::Shown | shown | -";
    neither (fn f() -> Result<u8, Nothing> { Err(Nothing) }) "error: fidelity_outcome::Nothing | fidelity_outcome::Nothing | fidelity_outcome::Nothing | fidelity_outcome::Nothing | -";
}

mod generic {
    use super::*;
    #[traced]
    fn none<E>(e: E) -> Result<(), E> {
        Err(e)
    }
    #[traced]
    fn error<E: Error + 'static>(e: E) -> Result<(), E> {
        Err(e)
    }
    #[traced]
    fn into<E: Into<Box<dyn Error>>>(e: E) -> Result<(), E> {
        Err(e)
    }
    #[traced]
    fn shown<E: Display>(e: E) -> Result<(), E> {
        Err(e)
    }
    #[traced]
    fn debugged<E>(e: E) -> Result<(), E>
    where
        E: Debug,
    {
        Err(e)
    }
    #[traced]
    fn whole<T>(value: T) -> T {
        value
    }
    trait Service {
        type Error: Error + 'static;
        type Output;
        fn call(&self) -> Result<Self::Output, Self::Error>;
    }
    struct S;
    #[traced]
    impl Service for S {
        type Error = Outer;
        type Output = u8;
        fn call(&self) -> Result<Self::Output, Self::Error> {
            Err(Outer(Inner))
        }
    }
    #[traced]
    fn through<S: Service>(s: &S) -> Result<S::Output, S::Error> {
        s.call()
    }

    #[test]
    fn bounds_decide_what_is_known_of_an_error() {
        let ((), trace) = capture(|| {
            none(Outer(Inner)).unwrap_err();
            error(Outer(Inner)).unwrap_err();
            into(Outer(Inner)).unwrap_err();
            shown(Outer(Inner)).unwrap_err();
            debugged(Opaque).unwrap_err();
            whole(Result::<u8, Inner>::Err(Inner)).unwrap_err();
        });
        assert_eq!(read(&trace, "error"), OUTER);
        assert_eq!(
            read(&trace, "none"),
            "error: fidelity_outcome::Outer | fidelity_outcome::Outer | fidelity_outcome::Outer | fidelity_outcome::Outer | -"
        );
        assert_eq!(
            read(&trace, "into"),
            "error: fidelity_outcome::Outer | fidelity_outcome::Outer | fidelity_outcome::Outer | fidelity_outcome::Outer | -"
        );
        assert_eq!(
            read(&trace, "shown"),
            "error: outer | fidelity_outcome::Outer | fidelity_outcome::Outer | outer | -"
        );
        assert_eq!(
            read(&trace, "debugged"),
            "error: Opaque | fidelity_outcome::Opaque | fidelity_outcome::Opaque | Opaque | -"
        );
        // What `T` is, the function does not know.
        assert_eq!(read(&trace, "whole"), WELL);
    }

    #[test]
    fn an_associated_error_is_one() {
        let (_, trace) = capture(|| through(&S));
        assert_eq!(
            trace.to_string(),
            "\
through error \"outer\"
│   error.type: str = \"fidelity_outcome::Outer\"
└── S::call error \"outer\"
        error.type: str = \"fidelity_outcome::Outer\"
        • exception
            exception.type: str = \"fidelity_outcome::Outer\"
            exception.message: str = \"outer\"
            exception.stacktrace: str = \"outer\\ncaused by: inner\"
"
        );
    }
}

mod outwards {
    use super::*;
    #[traced]
    fn innermost() -> Result<(), Inner> {
        Err(Inner)
    }
    #[traced]
    fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(innermost()?)
    }
    #[traced]
    async fn any() -> anyhow::Result<()> {
        boxed().map_err(anyhow::Error::from_boxed)?;
        Ok(())
    }
    #[traced]
    async fn text() -> Result<(), String> {
        any().await.map_err(|e| e.to_string())
    }
    #[traced]
    async fn handled() -> Result<(), String> {
        let _ = text().await;
        Ok(())
    }

    #[tokio::test]
    async fn an_error_is_recorded_once_and_keeps_its_type() {
        let (_, trace) = capture(handled()).await;
        assert_eq!(
            trace.to_string(),
            "\
handled
└── text error \"inner\"
    │   error.type: str = \"fidelity_outcome::Inner\"
    └── any error \"inner\"
        │   error.type: str = \"fidelity_outcome::Inner\"
        └── boxed error \"inner\"
            │   error.type: str = \"fidelity_outcome::Inner\"
            └── innermost error \"inner\"
                    error.type: str = \"fidelity_outcome::Inner\"
                    • exception
                        exception.type: str = \"fidelity_outcome::Inner\"
                        exception.message: str = \"inner\"
"
        );
    }

    #[traced(errors = off)]
    fn quiet() -> Result<(), Inner> {
        innermost()
    }
    #[traced]
    fn around_quiet() -> Result<(), Inner> {
        quiet()
    }

    // Once a fault: `errors = off` forgets what its child recorded, and the error is recorded again further out.
    #[test]
    fn an_error_that_passes_a_function_without_errors_is_recorded_once() {
        let (_, trace) = capture(around_quiet);
        assert_eq!(trace.spans().map(|span| span.events().count()).collect::<Vec<_>>(), [0, 0, 1], "{trace}");
        assert_eq!(
            trace.spans().map(|span| span.status()).collect::<Vec<_>>(),
            ["error: inner", "unset", "error: inner"]
        );
    }

    #[traced]
    fn around_a_span_by_hand() -> Result<(), Inner> {
        traced::span!("step").run(innermost)
    }

    // Once a fault: as above, for a span by hand.
    #[test]
    fn an_error_that_passes_a_span_by_hand_is_recorded_once() {
        let (_, trace) = capture(around_a_span_by_hand);
        assert_eq!(trace.spans().map(|span| span.events().count()).sum::<usize>(), 1, "{trace}");
    }

    #[traced(when = false)]
    fn not_here() -> Result<(), Inner> {
        innermost()
    }
    #[traced]
    fn around_not_here() -> Result<(), Inner> {
        not_here()
    }

    #[test]
    fn an_error_that_passes_a_call_without_a_span_is_recorded_once() {
        let (_, trace) = capture(around_not_here);
        assert_eq!(trace.spans().map(|span| span.events().count()).collect::<Vec<_>>(), [0, 1], "{trace}");
    }

    #[traced]
    fn another() -> Result<(), Outer> {
        innermost().map_err(Outer)
    }

    #[test]
    fn another_error_around_it_is_an_error_of_its_own() {
        let (_, trace) = capture(another);
        assert_eq!(read(&trace, "another"), OUTER);
        assert_eq!(read(&trace, "innermost"), INNER);
    }

    #[traced]
    async fn spawns() -> Result<(), Inner> {
        tokio::spawn(async { innermost() }).await.unwrap()
    }

    #[tokio::test]
    async fn an_error_out_of_a_task_is_recorded_once() {
        let (_, trace) = capture(spawns()).await;
        assert_eq!(trace.spans().map(|span| span.events().count()).collect::<Vec<_>>(), [0, 1], "{trace}");
    }
}

mod judged {
    use super::*;
    #[traced(error_if(e => e.0 >= 500), err(e => code = e.0), ok(v => value = *v), ret(r => is_ok = r.is_ok()))]
    fn sync(n: u16) -> Result<u16, Status> {
        if n < 400 { Ok(n) } else { Err(Status(n)) }
    }
    #[traced(error_if(Status(500..) => true), err(Status(code) => code))]
    async fn pattern(n: u16) -> Result<u16, Status> {
        if n < 400 { Ok(n) } else { Err(Status(n)) }
    }
    #[traced(error_if(Status(404) => false), ret(?))]
    fn future(n: u16) -> impl Future<Output = Result<u16, Status>> {
        async move { if n < 400 { Ok(n) } else { Err(Status(n)) } }
    }
    #[traced(errors = off, err(e => code = e.0))]
    fn off_result(n: u16) -> Result<u16, Status> {
        if n < 400 { Ok(n) } else { Err(Status(n)) }
    }
    #[traced(ok(v => v = ?v), err(e => e = %e))]
    fn option(n: u16) -> Option<Result<u16, Status>> {
        if n < 400 { Some(Ok(n)) } else { Some(Err(Status(n))) }
    }
    #[traced(ok(Some(v) => v))]
    fn option_in_ok(n: Option<u16>) -> Result<Option<u16>, Status> {
        Ok(n)
    }
    #[traced(ret)]
    fn returned(n: u16) -> u16 {
        n + 1
    }
    #[traced(ret)]
    async fn returned_option(n: u16) -> Option<String> {
        (n > 1).then(|| n.to_string())
    }
    #[derive(Debug)]
    struct Status(u16);
    impl Display for Status {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "status {}", self.0)
        }
    }
    impl Error for Status {}

    #[tokio::test]
    async fn some_errors_are_no_faults() {
        let ((), trace) = capture(async {
            let _ = (sync(200), sync(404), sync(500));
            let _ = (pattern(404).await, pattern(500).await);
            let _ = (future(404).await, future(500).await, future(1).await);
        })
        .await;
        assert_eq!(
            trace.to_string(),
            "\
sync
    is_ok: bool = true
    value: i64 = 200
sync
    is_ok: bool = false
    code: i64 = 404
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 404\"
sync error \"status 500\"
    is_ok: bool = false
    code: i64 = 500
    error.type: str = \"fidelity_outcome::judged::Status\"
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 500\"
pattern error \"status 404\"
    code: i64 = 404
    error.type: str = \"fidelity_outcome::judged::Status\"
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 404\"
pattern error \"status 500\"
    code: i64 = 500
    error.type: str = \"fidelity_outcome::judged::Status\"
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 500\"
future
    return: str = \"Err(Status(404))\"
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 404\"
future error \"status 500\"
    return: str = \"Err(Status(500))\"
    error.type: str = \"fidelity_outcome::judged::Status\"
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 500\"
future
    return: str = \"Ok(1)\"
"
        );
    }

    #[tokio::test]
    async fn values_are_captured_from_the_outcome() {
        let ((), trace) = capture(async {
            let _ = (off_result(404), off_result(1));
            let _ = (option(404), option(1), option_in_ok(Some(3)), option_in_ok(None));
            let _ = (returned(1), returned_option(1).await, returned_option(2).await);
        })
        .await;
        assert_eq!(
            trace.to_string(),
            "\
off_result
    code: i64 = 404
off_result
option error \"status 404\"
    v: str = \"Err(Status(404))\"
    e: str = \"status 404\"
    error.type: str = \"fidelity_outcome::judged::Status\"
    • exception
        exception.type: str = \"fidelity_outcome::judged::Status\"
        exception.message: str = \"status 404\"
option
    v: str = \"Ok(1)\"
option_in_ok
    v: i64 = 3
option_in_ok
returned
    return: i64 = 2
returned_option
returned_option
    return: str = \"2\"
"
        );
    }
}

mod panics {
    use super::*;
    #[traced]
    fn deep(kind: u8) -> Result<(), String> {
        match kind {
            0 => panic!("text"),
            1 => panic!("formatted {kind}"),
            2 => std::panic::panic_any(77_u64),
            3 => std::panic::resume_unwind(Box::new(Inner)),
            4 => None.unwrap(),
            _ => Ok(()),
        }
    }
    #[traced]
    fn outer(kind: u8) -> Result<(), String> {
        deep(kind)
    }
    #[traced]
    async fn outermost(kind: u8) -> Result<(), String> {
        tokio::task::yield_now().await;
        outer(kind)
    }

    fn caught(kind: u8) -> (Box<dyn std::any::Any + Send>, Trace) {
        capture(|| catch_unwind(|| outer(kind)).unwrap_err())
    }

    #[test]
    fn a_panic_is_told_once_and_goes_on_unchanged() {
        let (payload, trace) = caught(1);
        assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some("formatted 1"));
        assert_eq!(
            trace.to_string(),
            "\
outer error \"formatted 1\"
│   error.type: str = \"panic\"
└── deep error \"formatted 1\"
        error.type: str = \"panic\"
        • exception
            exception.type: str = \"panic\"
            exception.message: str = \"formatted 1\"
            exception.stacktrace: str = \"at …\"
"
        );
        assert_eq!(*caught(0).0.downcast::<&str>().unwrap(), "text");
        assert_eq!(*caught(2).0.downcast::<u64>().unwrap(), 77);
    }

    // Once a fault: `resume_unwind` calls no hook, so the words of an earlier panic of this thread are taken.
    #[test]
    fn a_resumed_panic_is_not_taken_for_an_earlier_one() {
        let _ = capture(|| catch_unwind(|| panic!("an earlier one")).unwrap_err());
        let (payload, trace) = capture(|| {
            catch_unwind(|| panic!("an earlier one, outside of every span")).unwrap_err();
            catch_unwind(|| outer(3)).unwrap_err()
        });
        assert_eq!(*payload.downcast::<Inner>().unwrap(), Inner);
        assert!(!trace.span("deep").status().contains("earlier"), "{trace}");
        assert!(trace.span("deep").has_event("exception"), "{trace}");
    }

    #[test]
    fn two_panics_on_one_thread_are_two() {
        let ((), trace) = capture(|| {
            catch_unwind(|| outer(0)).unwrap_err();
            catch_unwind(|| outer(1)).unwrap_err();
        });
        assert_eq!(
            trace.spans().map(|span| span.events().count()).collect::<Vec<_>>(),
            [0, 1, 0, 1],
            "{trace}"
        );
        assert_eq!(
            trace.spans().map(|span| span.status()).collect::<Vec<_>>(),
            ["error: text", "error: text", "error: formatted 1", "error: formatted 1"]
        );
    }

    #[tokio::test]
    async fn a_task_that_panics_tells_its_spans_and_its_join_handle() {
        #[traced]
        async fn spawns() {
            let error = tokio::spawn(outermost(1)).await.unwrap_err();
            assert_eq!(*error.into_panic().downcast::<String>().unwrap(), "formatted 1");
            let error = std::thread::spawn(|| outer(0)).join().unwrap_err();
            assert_eq!(*error.downcast::<&str>().unwrap(), "text");
        }
        let ((), trace) = capture(spawns()).await;
        assert_eq!(
            trace.to_string(),
            "\
spawns
├── outermost error \"formatted 1\"
│   │   error.type: str = \"panic\"
│   └── outer error \"formatted 1\"
│       │   error.type: str = \"panic\"
│       └── deep error \"formatted 1\"
│               error.type: str = \"panic\"
│               • exception
│                   exception.type: str = \"panic\"
│                   exception.message: str = \"formatted 1\"
│                   exception.stacktrace: str = \"at …\"
└── outer error \"text\"
    │   error.type: str = \"panic\"
    └── deep error \"text\"
            error.type: str = \"panic\"
            • exception
                exception.type: str = \"panic\"
                exception.message: str = \"text\"
                exception.stacktrace: str = \"at …\"
"
        );
    }

    struct Cleans;
    impl Drop for Cleans {
        fn drop(&mut self) {
            clean();
            let _ = cleans_badly();
        }
    }
    #[traced]
    fn clean() -> u8 {
        3
    }
    #[traced]
    fn cleans_badly() -> Result<(), Inner> {
        Err(Inner)
    }
    #[traced]
    fn holds() {
        let _cleans = Cleans;
        panic!("told")
    }
    #[traced]
    fn around_holds() {
        holds()
    }

    // Once a fault: a call that returns while the thread unwinds has not panicked.
    #[test]
    fn calls_made_while_unwinding_have_outcomes_of_their_own() {
        let (_, trace) = capture(|| catch_unwind(|| around_holds()).unwrap_err());
        assert_eq!(
            trace.to_string(),
            "\
around_holds error \"told\"
│   error.type: str = \"panic\"
└── holds error \"told\"
    │   error.type: str = \"panic\"
    │   • exception
    │       exception.type: str = \"panic\"
    │       exception.message: str = \"told\"
    │       exception.stacktrace: str = \"at …\"
    ├── clean
    └── cleans_badly error \"inner\"
            error.type: str = \"fidelity_outcome::Inner\"
            • exception
                exception.type: str = \"fidelity_outcome::Inner\"
                exception.message: str = \"inner\"
"
        );
    }

    struct CleansAsync;
    impl Drop for CleansAsync {
        fn drop(&mut self) {
            use futures_util::FutureExt;
            let _ = clean_async().now_or_never();
            let _ = stops().now_or_never();
            let _span = traced::span!("by hand").enter();
        }
    }
    #[traced]
    async fn clean_async() -> u8 {
        3
    }
    #[traced]
    async fn stops() -> u8 {
        std::future::pending().await
    }
    #[traced]
    fn holds_async() {
        let _cleans = CleansAsync;
        panic!("told")
    }

    #[test]
    fn futures_driven_while_unwinding_have_outcomes_of_their_own() {
        let (_, trace) = capture(|| catch_unwind(|| holds_async()).unwrap_err());
        assert_eq!(
            trace.to_string(),
            "\
holds_async error \"told\"
│   error.type: str = \"panic\"
│   • exception
│       exception.type: str = \"panic\"
│       exception.message: str = \"told\"
│       exception.stacktrace: str = \"at …\"
├── clean_async
├── stops
│       cancelled: bool = true
└── by hand
"
        );
    }

    #[test]
    fn a_panic_in_a_future_by_hand_and_a_stream_is_told() {
        use futures_util::{FutureExt, StreamExt};
        #[traced]
        fn returned() -> impl Future<Output = ()> {
            async {
                if true {
                    panic!("in the future")
                }
            }
        }
        #[traced]
        fn constructor(n: u8) -> impl Future<Output = ()> {
            if n == 1 {
                panic!("in the constructor")
            }
            async {}
        }
        #[traced]
        fn stream() -> impl futures_util::Stream<Item = u8> {
            futures_util::stream::iter([1, 2]).map(|n| if n == 2 { panic!("in the stream") } else { n })
        }
        let ((), trace) = capture(|| {
            catch_unwind(|| returned().now_or_never()).unwrap_err();
            catch_unwind(|| constructor(1).now_or_never()).unwrap_err();
            catch_unwind(|| stream().collect::<Vec<_>>().now_or_never()).unwrap_err();
        });
        assert_eq!(
            trace.spans().map(|span| format!("{} {}", span.name(), span.status())).collect::<Vec<_>>(),
            ["returned error: in the future", "stream error: in the stream"]
        );
    }

    #[test]
    fn a_future_polled_after_its_panic_ends_its_span_once() {
        use futures_util::FutureExt;
        #[traced]
        async fn panics() {
            panic!("once")
        }
        let ((), trace) = capture(|| {
            let mut future = Box::pin(panics());
            catch_unwind(AssertUnwindSafe(|| future.as_mut().now_or_never())).unwrap_err();
            catch_unwind(AssertUnwindSafe(|| future.as_mut().now_or_never())).unwrap_err();
        });
        assert_eq!(trace.len(), 1);
        assert_eq!(trace.span("panics").status(), "error: once");
        assert_eq!(trace.span("panics").events().count(), 1);
    }
}

//! One span per call, whatever the function's shape.
#![allow(clippy::pedantic, reason = "tests are read for what they assert")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use traced::testing::capture;
use traced::traced;

#[derive(Debug)]
struct Boom;
impl std::fmt::Display for Boom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("boom")
    }
}
impl std::error::Error for Boom {}

#[traced]
fn plain(a: u64) -> u64 {
    a + 1
}

#[traced(kind = server, attr(a, twice = a * 2))]
async fn outer(a: u64) -> Result<u64, Boom> {
    let b = plain(a);
    inner(b).await
}

#[traced(name = "the inner one")]
async fn inner(b: u64) -> Result<u64, Boom> {
    tokio::task::yield_now().await;
    if b > 3 { Err(Boom) } else { Ok(b) }
}

#[tokio::test]
async fn async_functions_nest() {
    let (value, trace) = capture(outer(7)).await;
    assert!(value.is_err());
    assert_eq!(
        trace.to_string(),
        "\
outer (server) error \"boom\"
│   a: i64 = 7
│   twice: i64 = 14
│   error.type: str = \"shapes::Boom\"
├── plain
└── the inner one error \"boom\"
        error.type: str = \"shapes::Boom\"
        • exception
            exception.type: str = \"shapes::Boom\"
            exception.message: str = \"boom\"
"
    );
}

struct Store {
    tenant: String,
    rows: Vec<u32>,
}

#[traced]
impl Store {
    const LIMIT: usize = 3;

    fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), rows: vec![1, 2, 3] }
    }

    #[traced(attr(self.tenant))]
    fn first(&self) -> Option<&u32> {
        self.rows.first()
    }

    async fn add(&mut self, row: u32) -> Result<&mut u32, Boom> {
        tokio::task::yield_now().await;
        if self.rows.len() > Self::LIMIT {
            return Err(Boom);
        }
        self.rows.push(row);
        self.rows.last_mut().ok_or(Boom)
    }

    #[traced(skip)]
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn into_rows(self: Box<Self>) -> Vec<u32> {
        self.rows
    }

    async fn shared(self: Arc<Self>) -> usize {
        self.rows.len()
    }

    async fn pinned(self: Pin<&mut Self>) -> usize {
        self.rows.len()
    }
}

#[tokio::test]
async fn methods_of_a_traced_impl() {
    let ((), trace) = capture(async {
        let mut store = Store::new("acme");
        assert_eq!(store.first(), Some(&1));
        *store.add(9).await.unwrap() += 1;
        assert_eq!(store.len(), 4);
        assert!(store.add(9).await.is_err());
        Pin::new(&mut store).pinned().await;
        assert_eq!(Box::new(store).into_rows().len(), 4);
        Arc::new(Store { tenant: String::new(), rows: vec![] }).shared().await;
    })
    .await;
    assert_eq!(
        trace.roots(),
        [
            "Store::new",
            "Store::first",
            "Store::add",
            "Store::add",
            "Store::pinned",
            "Store::into_rows",
            "Store::shared"
        ]
    );
    assert_eq!(trace.span("Store::first").attribute("tenant"), "acme");
    assert_eq!(trace.span("Store::first").attribute("code.function.name"), "shapes::Store::first");
}

#[traced(attr(n))]
fn boxed(n: u64) -> Pin<Box<dyn Future<Output = Result<u64, Boom>> + Send>> {
    if n == 0 {
        return Box::pin(async { Err(Boom) });
    }
    Box::pin(async move { Ok(plain(n)) })
}

#[traced]
fn opaque<'a>(n: &'a u64) -> impl Future<Output = u64> + 'a {
    async move { plain(*n) }
}

#[traced]
fn numbers(n: u64) -> impl futures_util::Stream<Item = u64> {
    futures_util::stream::iter(0..n)
}

#[tokio::test]
async fn returned_futures_and_streams() {
    use futures_util::StreamExt;
    let ((), trace) = capture(async {
        drop(boxed(1));
        boxed(1).await.unwrap();
        boxed(0).await.unwrap_err();
        opaque(&4).await;
        assert_eq!(numbers(3).collect::<Vec<_>>().await.len(), 3);
        numbers(3).next().await;
    })
    .await;
    assert_eq!(
        trace.to_string(),
        "\
boxed
│   n: i64 = 1
└── plain
boxed error \"boom\"
    n: i64 = 0
    error.type: str = \"shapes::Boom\"
    • exception
        exception.type: str = \"shapes::Boom\"
        exception.message: str = \"boom\"
opaque
└── plain
numbers
numbers
"
    );
}

#[traced]
#[track_caller]
fn tracked(n: Option<u32>) -> Result<u32, Boom> {
    if n == Some(7) {
        return Err(Boom);
    }
    let n = n.ok_or(Boom)?;
    Ok(n + std::panic::Location::caller().line())
}

#[test]
fn track_caller_still_sees_the_caller() {
    let ((), trace) = capture(|| {
        let here = line!() + 1;
        assert_eq!(tracked(Some(0)).unwrap(), here);
        tracked(None).unwrap_err();
        tracked(Some(7)).unwrap_err();
    });
    assert_eq!(
        trace.spans().map(|span| span.status()).collect::<Vec<_>>(),
        ["unset", "error: boom", "error: boom"]
    );
}

#[traced]
fn never() -> ! {
    panic!("no way")
}

#[traced]
async fn never_async(n: u32) -> ! {
    if n > 1 {
        panic!("no way")
    }
    std::future::pending().await
}

#[tokio::test]
async fn panics_show() {
    let (_, trace) = capture(|| std::panic::catch_unwind(|| never()).unwrap_err());
    assert_eq!(
        trace.to_string(),
        "\
never error \"no way\"
    error.type: str = \"panic\"
    • exception
        exception.type: str = \"panic\"
        exception.message: str = \"no way\"
        exception.stacktrace: str = \"at …\"
"
    );
    let ((), trace) = capture(async {
        tokio::spawn(traced::propagate(never_async(2))).await.unwrap_err();
        let timeout = std::time::Duration::from_millis(1);
        tokio::time::timeout(timeout, never_async(0)).await.unwrap_err();
    })
    .await;
    assert_eq!(trace.spans().map(|span| span.status()).collect::<Vec<_>>(), ["error: no way", "unset"]);
    assert_eq!(trace.spans().nth(1).unwrap().attribute("cancelled"), true);
}

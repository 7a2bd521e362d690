//! The error is written in the signature alone; nothing in the body says what it is.

use std::fmt::Display;
use std::future::Future;

use traced::traced;

#[traced]
fn later(id: u64) -> impl Future<Output = Result<u64, String>> {
    async move { Ok(id) }
}

#[traced]
fn later_unpin(id: u64) -> impl Future<Output = Result<u64, String>> + Unpin {
    Box::pin(async move { Ok(id) })
}

#[traced(ok(id => id = *id), err(e => e = %e))]
fn later_converted(text: String) -> impl Future<Output = Result<u64, Box<dyn std::error::Error>>> {
    async move { Ok(text.parse()?) }
}

#[traced]
fn items() -> Result<impl Iterator<Item = impl Display>, String> {
    Ok([1, 2].into_iter())
}

#[traced]
async fn items_async() -> Result<impl Iterator<Item = u64>, String> {
    Ok([1, 2].into_iter())
}

fn main() {
    futures_executor::block_on(async {
        later(1).await.unwrap();
        later_unpin(1).await.unwrap();
        later_converted("1".to_owned()).await.unwrap();
        assert_eq!(items_async().await.unwrap().count(), 2);
    });
    assert_eq!(items().unwrap().count(), 2);
}

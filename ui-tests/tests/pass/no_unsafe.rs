#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;

use traced::traced;

#[traced(attr(id), ret)]
fn load(id: u64) -> u64 {
    id
}

#[traced(timing)]
async fn store(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[traced]
fn later(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

#[traced]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64>>> {
    Box::pin(async move { id })
}

fn main() {
    load(1);
    futures_executor::block_on(async { (store(1).await, later(1).await, boxed(1).await) }).0.unwrap();
}

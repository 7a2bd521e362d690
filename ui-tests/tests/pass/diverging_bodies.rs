//! A body that gives nothing back is no dead code of the user's.
#![deny(warnings)]

use std::future::Future;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use traced::traced;

#[traced]
pub fn todo() -> u64 {
    todo!()
}

#[traced]
pub async fn todo_async() -> u64 {
    todo!()
}

#[traced]
pub fn todo_boxed() -> BoxFuture<'static, u64> {
    todo!()
}

#[traced]
pub fn todo_stream() -> BoxStream<'static, u64> {
    todo!()
}

#[traced]
pub fn unimplemented_unit() {
    unimplemented!()
}

#[traced]
pub async fn panic_unit() {
    panic!("no")
}

#[traced]
pub fn returned() -> u64 {
    return 1;
}

#[traced]
pub async fn returned_async() -> u64 {
    return 1;
}

#[traced]
pub fn returned_future() -> impl Future<Output = u64> {
    return std::future::ready(1);
}

#[traced]
pub fn forever() {
    loop {
        std::thread::park();
    }
}

#[traced]
pub async fn forever_async() {
    loop {
        std::future::pending::<()>().await;
    }
}

#[traced(attr(id), ok(n => n = *n), err(e => e = %e), ret(?), error_if(e => e.is_empty()))]
pub fn todo_recorded(id: u64) -> Result<u64, String> {
    todo!("{id}")
}

#[traced]
pub fn infallible() -> Result<u64, std::convert::Infallible> {
    Ok(1)
}

#[traced]
pub fn first(mut items: impl Iterator<Item = u64>) -> u64 {
    loop {
        if let Some(item) = items.next() {
            return item;
        }
    }
}

#[traced]
pub async fn never() -> ! {
    loop {
        std::future::pending::<()>().await;
    }
}

fn main() {}

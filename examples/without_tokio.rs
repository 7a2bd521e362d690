//! No tokio: threads, and another executor. The console's own thread is all that tracing needs.
//!
//! `cargo run --example without_tokio`

use std::thread;

#[traced::traced(attr(files = names.len()))]
fn index(names: &[&str]) -> usize {
    let threads: Vec<_> =
        names.iter().copied().map(String::from).map(|name| thread::spawn(move || words(&name))).collect();
    threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
}

#[traced::traced(attr(name), ret)]
fn words(name: &str) -> usize {
    futures_executor::block_on(read(name)).split(' ').count()
}

#[traced::traced]
async fn read(name: &str) -> String {
    format!("the words of {name}")
}

fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("indexer")?;
    assert_eq!(index(&["one", "two"]), 8);
    Ok(())
}

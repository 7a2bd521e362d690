//! A program that sets nothing up: `count.py` looks for what it must not hold.

use traced::traced;

#[traced(attr(a, text, shown = %a))]
fn plain(a: u64, text: &str) -> Result<u64, String> {
    if a == 0 { Err(text.to_owned()) } else { Ok(a) }
}

#[traced(attr(a), ok(sum => sum))]
async fn waits(a: u64) -> Result<u64, String> {
    std::future::ready(()).await;
    plain(a, "nothing")
}

fn main() {
    let a = std::env::args().count() as u64;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    println!("{:?} {:?}", plain(a, "none"), std::pin::pin!(waits(a)).poll(&mut context));
}

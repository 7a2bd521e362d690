#![deny(warnings)]

use std::error::Error;
use std::ops::ControlFlow;
use std::task::Poll;

use traced::traced;

#[derive(Debug)]
struct Fault;

impl From<std::num::ParseIntError> for Fault {
    fn from(_: std::num::ParseIntError) -> Self {
        Self
    }
}

#[traced]
fn converted(text: &str) -> Result<u64, Fault> {
    Ok(text.parse::<u64>()?)
}

#[traced]
async fn converted_async(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let id: u64 = text.parse()?;
    if id == 0 {
        Err("zero")?;
    }
    Ok(id)
}

#[traced]
fn of_option(items: &[u64]) -> Option<&u64> {
    let first = items.first()?;
    items.get(usize::try_from(*first).ok()?)
}

#[traced]
fn of_control_flow(id: u64) -> ControlFlow<u64> {
    if id > 1 { ControlFlow::Break(id)? }
    ControlFlow::Continue(())
}

#[traced]
fn of_poll(id: Poll<Result<u64, String>>) -> Poll<Result<u64, String>> {
    let Poll::Ready(id) = id? else { return Poll::Pending };
    Poll::Ready(Ok(id))
}

#[traced(error_if(e => matches!(e, Fault)))]
#[track_caller]
fn tracked(text: &str) -> Result<u64, Fault> {
    let id: u64 = text.parse()?;
    let many = text.split(',').map(|part| Ok(part.parse::<u64>()?)).collect::<Result<Vec<_>, Fault>>()?;
    let Ok(other) = text.parse::<u64>() else { return Err(Fault) };
    Ok(id + other + many.iter().sum::<u64>())
}

fn main() {
    converted("1").unwrap();
    futures_executor::block_on(converted_async("1")).unwrap();
    of_option(&[0]).unwrap();
    assert!(of_control_flow(1).is_continue());
    assert!(of_poll(Poll::Pending).is_pending());
    assert_eq!(tracked("1").unwrap(), 3);
}

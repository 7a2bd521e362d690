//! What the written part of the return type does for the body: coercions, and the types of errors.

use std::error::Error;
use std::fmt::Display;

use traced::traced;

fn one() -> u64 {
    1
}

#[traced]
fn pair(deep: bool) -> (impl Display, Option<fn() -> u64>) {
    if deep {
        return (1, None);
    }
    (1, Some(one))
}

#[traced]
fn lengths(text: &str) -> Result<impl Iterator<Item = usize>, Box<dyn Error + Send + Sync>> {
    if text.is_empty() {
        return Err("nothing to measure".into());
    }
    let first: u64 = text.parse()?;
    Ok([usize::try_from(first)?].into_iter())
}

#[traced]
async fn lengths_async(text: &str) -> Result<impl Iterator<Item = usize>, Box<dyn Error + Send + Sync>> {
    if text.is_empty() {
        return Err("nothing to measure".into());
    }
    let first: u64 = text.parse()?;
    Ok([usize::try_from(first)?].into_iter())
}

#[traced]
fn shown() -> (impl Iterator<Item = u64>, Box<dyn Display>) {
    ([1].into_iter(), Box::new(1))
}

fn main() {
    assert_eq!(pair(false).1.unwrap()(), 1);
    assert_eq!(lengths("1").unwrap().count(), 1);
    assert_eq!(futures_executor::block_on(lengths_async("1")).unwrap().count(), 1);
    assert_eq!(shown().0.count(), 1);
}

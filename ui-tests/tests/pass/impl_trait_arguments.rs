use std::fmt::Display;

use traced::testing::capture;
use traced::traced;

#[traced(attr(%text, size = items.size_hint().0))]
fn load(text: impl Display + Clone, items: impl Iterator<Item = impl Into<u64>>) -> u64 {
    let sum: u64 = items.map(Into::into).sum();
    sum + u64::try_from(text.to_string().len()).unwrap_or(0)
}

#[traced(attr(%text))]
async fn load_async(text: impl Display + Clone, of: &mut (impl Iterator<Item = u64> + ?Sized)) -> u64 {
    of.sum::<u64>() + u64::try_from(text.to_string().len()).unwrap_or(0)
}

#[traced]
fn nested() -> Result<impl Iterator<Item = impl Display>, String> {
    Ok::<_, String>([1, 2].into_iter())
}

#[traced]
async fn nested_async() -> Option<impl Fn(u64) -> u64> {
    Some(|id| id + 1)
}

fn one() -> u64 {
    1
}

#[traced]
fn pair() -> (impl Display, impl Fn() -> u64) {
    if std::env::args().count() > 100 {
        return (1, one);
    }
    (1, one)
}

fn main() {
    let (sum, trace) = capture(|| {
        let displayed = nested().unwrap().count();
        let added = futures_executor::block_on(nested_async()).unwrap()(1);
        let (_, one) = pair();
        load("a", [1_u8].into_iter())
            + futures_executor::block_on(load_async("b", &mut [1].into_iter()))
            + u64::try_from(displayed).unwrap()
            + added
            + one()
    });
    assert_eq!(sum, 2 + 2 + 2 + 2 + 1);
    assert_eq!(trace.roots(), ["nested", "nested_async", "pair", "load", "load_async"]);
}

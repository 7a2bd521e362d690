use std::fmt::Display;
use std::future::Future;

use traced::testing::capture;
use traced::traced;

#[traced]
fn lines<'a>(text: &'a str, _: &u64) -> impl Iterator<Item = &'a str> + use<'a> {
    text.lines()
}

#[traced]
fn count<T: Display>(of: T) -> impl Future<Output = usize> + use<T> {
    let text = of.to_string();
    async move { text.len() }
}

#[traced]
fn nothing<const N: usize>(_: &[u8; N]) -> impl Fn() -> usize + use<N> {
    || N
}

fn main() {
    let (sum, trace) = capture(|| {
        let lines = {
            let id = 1;
            lines("a\nb", &id)
        };
        let counted = count(77);
        lines.count() + futures_executor::block_on(counted) + nothing(&[1, 2])()
    });
    assert_eq!(sum, 6);
    assert_eq!(trace.roots(), ["lines", "count", "nothing"]);
}

//! Above and below attributes that rewrite the function, and those that only describe it.
#![deny(warnings)]

use traced::testing::capture;
use traced::traced;

#[traced]
#[inline]
#[must_use]
#[allow(clippy::needless_return)]
fn below() -> u64 {
    1
}

#[inline]
#[must_use]
#[traced]
fn above() -> u64 {
    1
}

#[traced]
#[deprecated]
fn old() {}

#[traced]
#[expect(unused_variables, reason = "only its name is of use")]
fn expecting(id: u64) {}

#[traced]
#[expect(unused_variables, reason = "only its name is of use")]
async fn expecting_async(id: u64) {}

#[traced]
fn expecting_one(#[expect(unused_variables)] id: u64, #[allow(unused_mut)] mut other: u64) -> u64 {
    other
}

#[traced]
#[test]
fn tested() {}

fn main() {
    let (_, trace) = capture(|| {
        #[allow(deprecated)]
        old();
        expecting(1);
        futures_executor::block_on(expecting_async(1));
        below() + above() + expecting_one(1, 2)
    });
    assert_eq!(trace.roots(), ["old", "expecting", "expecting_async", "below", "above", "expecting_one"]);
}

//! A body that has items of the macro's names.

use traced::testing::capture;
use traced::traced;

static SITE: u64 = 1;

#[traced(attr(from.outside = SITE))]
fn load() -> u64 {
    SITE
}

#[traced]
fn inside() -> u64 {
    static SITE: u64 = 2;
    const __TRACED: u64 = 3;
    SITE + __TRACED
}

#[traced]
async fn inside_async() -> u64 {
    static SITE: u64 = 2;
    SITE
}

fn main() {
    let (sum, trace) = capture(|| load() + inside() + futures_executor::block_on(inside_async()));
    assert_eq!(sum, 8);
    assert_eq!(trace.span("load").attribute("from.outside"), 1);
}

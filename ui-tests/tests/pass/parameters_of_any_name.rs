//! No name of a parameter or of a local meets one of the macro's.
#![deny(warnings)]
#![allow(non_snake_case)]

use traced::testing::capture;
use traced::traced;

#[traced(
    attr(span, cx, result, self_, e, ret, call, value, guard, site, SITE, __traced, __traced_call, inside, key),
    ok(value => out = *value),
    err(e => message = %e),
    error_if(call => call.is_empty()),
    when = span > 0
)]
#[allow(clippy::too_many_arguments)]
fn load(
    span: u64,
    cx: u64,
    result: u64,
    self_: u64,
    e: u64,
    ret: u64,
    call: u64,
    value: u64,
    guard: u64,
    site: u64,
    SITE: u64,
    __traced: u64,
    __traced_call: u64,
    inside: u64,
    key: u64,
) -> Result<u64, String> {
    let __traced_value = span + cx + result + self_ + e + ret + call + value + guard + site + SITE;
    let __traced_body = __traced_value + __traced + __traced_call + inside + key;
    Ok(__traced_body)
}

#[traced(
    attr(span, cx, result, self_, e, ret, call, value, guard, site, SITE, __traced, __traced_call, inside, key),
    ok(value => out = *value),
    err(e => message = %e),
    error_if(call => call.is_empty()),
    when = span > 0,
    timing
)]
#[allow(clippy::too_many_arguments)]
async fn load_async(
    span: u64,
    cx: u64,
    result: u64,
    self_: u64,
    e: u64,
    ret: u64,
    call: u64,
    value: u64,
    guard: u64,
    site: u64,
    SITE: u64,
    __traced: u64,
    __traced_call: u64,
    inside: u64,
    key: u64,
) -> Result<u64, String> {
    let __traced_value = span + cx + result + self_ + e + ret + call + value + guard + site + SITE;
    let __traced_body = __traced_value + __traced + __traced_call + inside + key;
    std::future::ready(()).await;
    Ok(__traced_body)
}

#[traced]
fn patterns(__traced_1: &u64, [__traced_0, .., __traced_2]: [u64; 3], _: u64, ref __traced_3: u64) -> u64 {
    __traced_0 + __traced_1 + __traced_2 + __traced_3
}

#[traced]
async fn wildcards(_: u64, _: String, __traced_0: u64) -> u64 {
    __traced_0
}

fn main() {
    let (sum, trace) = capture(|| {
        futures_executor::block_on(wildcards(1, String::new(), 2)) + patterns(&1, [1, 2, 3], 4, 5)
    });
    assert_eq!(sum, 2 + 10);
    assert_eq!(trace.roots(), ["wildcards", "patterns"]);
    let (sum, _) = capture(|| load(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    assert_eq!(sum, Ok(15));
    let (sum, _) =
        capture(|| futures_executor::block_on(load_async(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)));
    assert_eq!(sum, Ok(15));
}

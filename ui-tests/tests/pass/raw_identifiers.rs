use traced::testing::capture;
use traced::traced;

struct Order {
    r#type: u64,
}

#[traced(attr(r#match, order.r#type, self::r#fn = 1))]
#[cfg(any())]
fn never() {}

#[traced(attr(r#match, order.r#type, kind = r#match + 1))]
fn r#type(r#match: u64, order: &Order) -> u64 {
    r#match + order.r#type
}

#[traced]
async fn r#async(#[attr] r#await: u64, #[attr("in")] r#in: u64) -> u64 {
    r#await + r#in
}

#[allow(non_camel_case_types)]
struct r#struct;

#[traced]
impl r#struct {
    fn r#fn(&self) {}
}

fn main() {
    let (sum, trace) = capture(|| {
        r#struct.r#fn();
        r#type(1, &Order { r#type: 2 }) + futures_executor::block_on(r#async(3, 4))
    });
    assert_eq!(sum, 10);
    assert_eq!(trace.roots(), ["struct::fn", "type", "async"]);
    assert_eq!(trace.span("type").attribute("match"), 1);
    assert_eq!(trace.span("type").attribute("order.type"), 2);
    assert_eq!(trace.span("async").attribute("await"), 3);
}

//! Whatever can be recorded by its type, and by its sign.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use traced::opentelemetry::{Array, StringValue, Value};
use traced::testing::capture;
use traced::{Attribute, traced};

struct OrderId(u64);

impl Attribute for OrderId {
    fn value(&self) -> Option<Value> {
        self.0.value()
    }
}

#[traced(attr(
    bool = true,
    integer = 1_i8,
    big = u128::MAX,
    nonzero = NonZero::<u8>::MIN,
    float = 1.5_f32,
    duration = Duration::from_secs(1),
    char = 'a',
    text = "a",
    string = String::from("a"),
    cow = Cow::Borrowed("a"),
    boxed = Box::<str>::from("a"),
    rc = Rc::new(1),
    arc = Arc::<str>::from("a"),
    some = Some(Some(1)),
    none = None::<&str>,
    array = [1, 2],
    slice = &[1.5, 2.5][..],
    vec = vec!["a", "b"],
    options = Some(&vec![true]),
    value = Value::from(1),
    string_value = StringValue::from("a"),
    array_value = Array::from(vec![1_i64]),
    own = OrderId(1),
    own_some = Some(&OrderId(1)),
    generic = generic,
    dynamic = dynamic,
    unsized_ = dynamic as &dyn Attribute,
    map = ?HashMap::<u64, u64>::new(),
    shown = %std::net::Ipv4Addr::LOCALHOST,
    negative = -1,
    not = !true,
    sum = 7 % 2,
    closure = (|| 1)(),
    block = { 1 },
    conditional = if true { 1 } else { 2 },
    matched = match 1 { n => n + 1 },
    structure = ?(1, "a"),
    path = i64::MAX,
    cast = 1_u8 as u64,
    r#try = (|| -> Option<u64> { Some(Some(1)? + 1) })(),
    masked = traced::mask::redacted("a"),
    user.password = traced::mask::redacted("a"),
))]
fn load<T: Attribute>(generic: T, dynamic: &dyn Attribute) {
    let _ = dynamic;
    drop(generic);
}

fn main() {
    let ((), trace) = capture(|| load(7, &"a"));
    assert_eq!(trace.span("load").attribute("generic"), 7);
    assert_eq!(trace.span("load").attribute("big"), u128::MAX.to_string().as_str());
}

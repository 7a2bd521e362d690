//! What can be an attribute, and how long it may be.
//!
//! Stands between the expressions a user captures and the recorder: everything becomes an
//! [`opentelemetry::Value`] here, cut to the limit before it is copied. Knows nothing of spans, keys or secrets.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Write as _};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::{Array, StringValue, Value};
use traced_core::Keep;

use element::{Item, Kind};

/// A value that `attr(…)` records as it is, without `%` or `?`.
///
/// ```
/// use std::time::Duration;
/// use opentelemetry::Value;
/// use traced::Attribute;
///
/// assert_eq!(7_u16.value(), Some(Value::I64(7)));
/// assert_eq!(u64::MAX.value(), Some(Value::from("18446744073709551615")));
/// assert_eq!(Duration::from_millis(1500).value(), Some(Value::F64(1.5)));
/// assert_eq!(None::<&str>.value(), None);
///
/// // A type of your own records itself as whatever it stands for.
/// struct OrderId(u64);
///
/// impl Attribute for OrderId {
///     fn value(&self) -> Option<Value> {
///         self.0.value()
///     }
/// }
///
/// assert_eq!(Some(OrderId(42)).value(), Some(Value::I64(42)));
/// ```
///
/// | a value of type | is recorded as |
/// |---|---|
/// | `bool` | a bool |
/// | an integer, a `NonZero` | an integer; beyond `i64`, its decimal text, never another number |
/// | `f32`, `f64` | a float |
/// | `Duration` | a float, in seconds |
/// | `char`, `str`, `String` | a string |
/// | an array, a slice, a `Vec` of these | an array of that type, even when empty; one integer beyond `i64` makes all of them strings |
/// | `&T`, `&mut T`, `Box<T>`, `Rc<T>`, `Arc<T>`, `Cow<T>` | what `T` is recorded as |
/// | `Option<T>` | what `T` is recorded as; `None` is absent |
/// | `opentelemetry::{Value, StringValue, Array}` | itself |
///
/// A string is cut to 4096 bytes (the set-up can say otherwise) at a character boundary, before it is copied.
/// An array is cut to 1024 elements, and its strings together to sixteen times the length of one.
///
/// Any other type is refused where it is captured: `?` records its `Debug`, `%` its `Display`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as an attribute; use `?` for its `Debug`, `%` for its `Display`",
    label = "not an attribute's value",
    note = "or implement `traced::Attribute` for it"
)]
pub trait Attribute {
    /// The value to record; `None` records nothing.
    fn value(&self) -> Option<Value>;

    /// As `value`, without the way round over a `Value`.
    #[doc(hidden)]
    #[inline]
    fn keep(&self, key: &'static str, to: &mut dyn Keep) {
        if let Some(value) = self.value() {
            to.value(key, value);
        }
    }
}

/// What an array, a slice or a `Vec` may hold to be an [`Attribute`]: bools, integers, floats, `Duration`s,
/// characters, strings, and references and smart pointers to these.
///
/// ```
/// use opentelemetry::{Array, Value};
/// use traced::Attribute;
///
/// assert_eq!([1_u8, 2].value(), Some(Value::Array(Array::I64(vec![1, 2]))));
/// assert_eq!(vec!["a", "b"].value(), Some(Value::Array(Array::String(vec!["a".into(), "b".into()]))));
/// ```
#[diagnostic::on_unimplemented(
    message = "an array of `{Self}` cannot be recorded as an attribute; use `?` for its `Debug`",
    label = "not an element of an attribute's value"
)]
pub trait Element: element::Sealed {
    #[doc(hidden)]
    const KIND: Kind;

    #[doc(hidden)]
    fn item(&self) -> Item<'_>;
}

/// What seals [`Element`]: OpenTelemetry has four types of array, so a fifth type of element would have
/// nowhere to go.
mod element {
    use std::borrow::Cow;

    pub trait Sealed {}

    /// The type of the array that elements make; an empty one has no elements to tell it by.
    #[derive(Clone, Copy)]
    pub enum Kind {
        Bool,
        Integer,
        Float,
        Text,
    }

    /// One element, before it is cut.
    pub enum Item<'a> {
        Bool(bool),
        Integer(i64),
        /// The decimal text of an integer beyond `i64`.
        Big(String),
        Float(f64),
        Text(Cow<'a, str>),
    }
}

/// The most elements an array is recorded with.
const MAX_ELEMENTS: usize = 1024;

/// The strings of one array are together at most this many times as long as one string may be; without it,
/// 1024 strings of the full length would make one attribute of four megabytes.
const ARRAY_STRINGS: usize = 16;

/// The most bytes a string is recorded with, unless the set-up says otherwise.
pub(crate) const DEFAULT_LIMIT: usize = 4096;

static LIMIT: AtomicUsize = AtomicUsize::new(DEFAULT_LIMIT);

/// The most bytes a string is recorded with now.
pub(crate) fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Whether a text is as long as one that was cut: an end between two characters is no further from the limit.
pub(crate) fn is_cut(text: &str) -> bool {
    (limit().saturating_sub(3)..=limit()).contains(&text.len())
}

/// Says how many bytes of a string are recorded; what was recorded before stays as it is.
pub(crate) fn set_limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// The longest beginning of `text` that is within the limit and ends between two characters.
pub(crate) fn cut(text: &str) -> &str {
    cut_to(text, limit())
}

fn cut_to(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// `text` as a value, cut before it is copied: of ten megabytes, no more than the limit is read.
pub(crate) fn text(text: &str) -> Value {
    Value::String(string(text, limit()))
}

fn string(text: &str, limit: usize) -> StringValue {
    StringValue::from(cut_to(text, limit).to_owned())
}

/// Appends what `%` records to `text`: the `Display` of `value`, up to the limit.
///
/// The formatting is stopped at the limit, so what lies beyond it is never written anywhere. A `Display` that
/// panics does not take the function down: what it wrote is recorded, followed by `<Display panicked>`; one
/// that fails is marked `<Display failed>`.
pub(crate) fn write_display(text: &mut String, value: &dyn Display) {
    format_into(text, format_args!("{value}"), &DISPLAY, limit());
}

/// Appends what `?` records to `text`: the `Debug` of `value`, up to the limit, on the same terms.
pub(crate) fn write_debug(text: &mut String, value: &dyn Debug) {
    format_into(text, format_args!("{value:?}"), &DEBUG, limit());
}

/// How a formatting that went wrong is marked.
struct Marks {
    panicked: &'static str,
    failed: &'static str,
}

const DISPLAY: Marks = Marks { panicked: "<Display panicked>", failed: "<Display failed>" };

const DEBUG: Marks = Marks { panicked: "<Debug panicked>", failed: "<Debug failed>" };

/// The part of both that does not depend on the type, and so is compiled once.
fn format_into(text: &mut String, arguments: fmt::Arguments<'_>, marks: &Marks, limit: usize) {
    let start = text.len();
    let mut bounded = Bounded { text, start, limit, full: false };
    let outcome = survive(|| bounded.write_fmt(arguments));
    // Once it is full, the error is our own; an implementation that unwraps it has not failed by itself.
    if !bounded.full {
        match outcome {
            Some(Ok(())) => {}
            Some(Err(fmt::Error)) => bounded.mark(marks.failed),
            None => bounded.mark(marks.panicked),
        }
    }
}

/// Collects what is written until the limit is reached, and refuses the rest, which ends the formatting.
struct Bounded<'a> {
    text: &'a mut String,
    /// Where ours begins.
    start: usize,
    limit: usize,
    full: bool,
}

impl Bounded<'_> {
    /// Ends the text with `mark`, within the limit.
    fn mark(&mut self, mark: &str) {
        let room = self.limit.saturating_sub(mark.len());
        let kept = cut_to(&self.text[self.start..], room).len();
        self.text.truncate(self.start + kept);
        self.text.push_str(cut_to(mark, self.limit));
    }
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // An implementation may go on writing after an error; a short text must not slip in behind the cut.
        if self.full {
            return Err(fmt::Error);
        }
        let part = cut_to(text, self.limit - (self.text.len() - self.start));
        self.text.push_str(part);
        self.full = part.len() < text.len();
        if self.full { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Runs foreign code whose panic must not reach the traced function; `None` when it panicked.
pub(crate) fn survive<T>(run: impl FnOnce() -> T) -> Option<T> {
    // `AssertUnwindSafe`: the callers hand in what they either discard or have no invariants on.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            crate::panic::caught();
            discard(payload);
            None
        }
    }
}

/// Drops a panic's payload, whose own `Drop` may panic. The payload of that second panic is leaked: dropping
/// it could go on for ever.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// The array that `items` make, cut in both directions.
fn array(kind: Kind, items: &mut dyn Iterator<Item = Item<'_>>, limit: usize) -> Array {
    let mut items = items.take(MAX_ELEMENTS);
    match kind {
        Kind::Bool => Array::Bool(
            items
                .filter_map(|item| match item {
                    Item::Bool(bool) => Some(bool),
                    _ => None,
                })
                .collect(),
        ),
        Kind::Float => Array::F64(
            items
                .filter_map(|item| match item {
                    Item::Float(float) => Some(float),
                    _ => None,
                })
                .collect(),
        ),
        Kind::Integer => {
            let mut integers = Vec::new();
            while let Some(item) = items.next() {
                match item {
                    Item::Integer(integer) => integers.push(integer),
                    // An array has one type, so a single big integer turns all of them into text.
                    big => {
                        let before = integers.into_iter().map(Item::Integer);
                        let all = before.chain([big]).chain(items);
                        return Array::String(strings(all, limit));
                    }
                }
            }
            Array::I64(integers)
        }
        Kind::Text => Array::String(strings(items, limit)),
    }
}

fn strings<'a>(items: impl Iterator<Item = Item<'a>>, limit: usize) -> Vec<StringValue> {
    let mut room = limit.saturating_mul(ARRAY_STRINGS);
    let mut strings = Vec::new();
    for item in items {
        let string = string(&item.into_text(), limit);
        let Some(left) = room.checked_sub(string.as_str().len()) else {
            break;
        };
        room = left;
        strings.push(string);
    }
    strings
}

impl<'a> Item<'a> {
    fn into_text(self) -> Cow<'a, str> {
        match self {
            Item::Text(text) => text,
            Item::Big(text) => text.into(),
            Item::Bool(bool) => bool.to_string().into(),
            Item::Integer(integer) => integer.to_string().into(),
            Item::Float(float) => float.to_string().into(),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Item::Bool(bool) => Value::Bool(bool),
            Item::Integer(integer) => Value::I64(integer),
            Item::Big(decimal) => Value::from(decimal),
            Item::Float(float) => Value::F64(float),
            Item::Text(string) => text(&string),
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "where it is used, it is known which one it is")]
    fn keep(self, key: &'static str, to: &mut dyn Keep) {
        match self {
            Item::Bool(bool) => to.bool(key, bool),
            Item::Integer(integer) => to.integer(key, integer),
            Item::Big(decimal) => to.whole(key, &decimal),
            Item::Float(float) => to.float(key, float),
            Item::Text(text) => to.text(key, &text),
        }
    }
}

#[inline]
fn integer<T: TryInto<i64> + Display + Copy>(integer: T) -> Item<'static> {
    match integer.try_into() {
        Ok(integer) => Item::Integer(integer),
        Err(_) => Item::Big(integer.to_string()),
    }
}

/// `scalar!(Kind: types => |value| its Item)`: each type is an [`Element`], and alone an [`Attribute`].
macro_rules! scalar {
    ($($kind:ident: $($type:ty),+ => |$value:ident| $item:expr;)+) => {$($(
        impl element::Sealed for $type {}

        impl Element for $type {
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn item(&self) -> Item<'_> {
                let $value = self;
                $item
            }
        }

        impl Attribute for $type {
            fn value(&self) -> Option<Value> {
                Some(self.item().into_value())
            }

            #[inline]
            fn keep(&self, key: &'static str, to: &mut dyn Keep) {
                self.item().keep(key, to);
            }
        }
    )+)+};
}

scalar! {
    Bool: bool => |value| Item::Bool(*value);
    Integer: i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize => |value| integer(*value);
    Integer: NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>,
        NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>
        => |value| integer(value.get());
    Float: f32 => |value| Item::Float(f64::from(*value));
    Float: f64 => |value| Item::Float(*value);
    Float: Duration => |value| Item::Float(value.as_secs_f64());
    Text: char => |value| Item::Text(value.to_string().into());
    Text: str => |value| Item::Text(value.into());
    Text: String, StringValue => |value| Item::Text(value.as_str().into());
}

/// References and smart pointers are what they point to.
macro_rules! pointer {
    ($($pointer:ty),+) => {$(
        impl<T: Element + ?Sized> element::Sealed for $pointer {}

        impl<T: Element + ?Sized> Element for $pointer {
            const KIND: Kind = T::KIND;

            fn item(&self) -> Item<'_> {
                T::item(self)
            }
        }

        impl<T: Attribute + ?Sized> Attribute for $pointer {
            fn value(&self) -> Option<Value> {
                T::value(self)
            }

            #[inline]
            fn keep(&self, key: &'static str, to: &mut dyn Keep) {
                T::keep(self, key, to);
            }
        }
    )+};
}

pointer!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: Element + ToOwned + ?Sized> element::Sealed for Cow<'_, T> {}

impl<T: Element + ToOwned + ?Sized> Element for Cow<'_, T> {
    const KIND: Kind = T::KIND;

    fn item(&self) -> Item<'_> {
        T::item(self)
    }
}

impl<T: Attribute + ToOwned + ?Sized> Attribute for Cow<'_, T> {
    fn value(&self) -> Option<Value> {
        T::value(self)
    }

    #[inline]
    fn keep(&self, key: &'static str, to: &mut dyn Keep) {
        T::keep(self, key, to);
    }
}

impl<T: Attribute> Attribute for Option<T> {
    fn value(&self) -> Option<Value> {
        self.as_ref()?.value()
    }

    #[inline]
    fn keep(&self, key: &'static str, to: &mut dyn Keep) {
        if let Some(value) = self {
            value.keep(key, to);
        }
    }
}

impl<T: Element> Attribute for [T] {
    fn value(&self) -> Option<Value> {
        let mut items = self.iter().map(T::item);
        Some(Value::Array(array(T::KIND, &mut items, limit())))
    }
}

impl<T: Element, const N: usize> Attribute for [T; N] {
    fn value(&self) -> Option<Value> {
        self.as_slice().value()
    }
}

impl<T: Element> Attribute for Vec<T> {
    fn value(&self) -> Option<Value> {
        self.as_slice().value()
    }
}

impl Attribute for Array {
    fn value(&self) -> Option<Value> {
        match self {
            Array::Bool(bools) => bools.value(),
            Array::I64(integers) => integers.value(),
            Array::F64(floats) => floats.value(),
            Array::String(strings) => strings.value(),
            // `Array` is open; a type that does not exist yet is passed on whole.
            other => Some(Value::Array(other.clone())),
        }
    }
}

impl Attribute for Value {
    fn value(&self) -> Option<Value> {
        match self {
            Value::Bool(bool) => bool.value(),
            Value::I64(integer) => integer.value(),
            Value::F64(float) => float.value(),
            Value::String(string) => string.value(),
            Value::Array(array) => array.value(),
            // As above.
            other => Some(other.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The limit belongs to the whole process, and other tests set it: what is cut is tested with a limit of
    // its own.

    fn texts(strings: &[&str]) -> Value {
        let strings = strings.iter().map(|&string| string.to_owned().into());
        Value::Array(Array::String(strings.collect()))
    }

    fn integers(integers: &[i64]) -> Value {
        Value::Array(Array::I64(integers.to_vec()))
    }

    fn formatted(arguments: fmt::Arguments<'_>, marks: &Marks, limit: usize) -> Value {
        let mut text = "what stood before".to_owned();
        format_into(&mut text, arguments, marks, limit);
        Value::from(text.strip_prefix("what stood before").unwrap().to_owned())
    }

    fn display<T: Display + ?Sized>(value: &T) -> Value {
        formatted(format_args!("{value}"), &DISPLAY, limit())
    }

    fn debug<T: Debug + ?Sized>(value: &T) -> Value {
        formatted(format_args!("{value:?}"), &DEBUG, limit())
    }

    fn display_to(limit: usize, value: &dyn Display) -> String {
        formatted(format_args!("{value}"), &DISPLAY, limit).to_string()
    }

    #[test]
    fn scalars_keep_their_type() {
        assert_eq!(true.value(), Some(Value::Bool(true)));
        assert_eq!((-1_i8).value(), Some(Value::I64(-1)));
        assert_eq!(i64::MIN.value(), Some(Value::I64(i64::MIN)));
        assert_eq!(7_usize.value(), Some(Value::I64(7)));
        assert_eq!(NonZero::<u16>::MAX.value(), Some(Value::I64(65535)));
        assert_eq!(1.5_f32.value(), Some(Value::F64(1.5)));
        assert_eq!(0.1_f64.value(), Some(Value::F64(0.1)));
        assert_eq!('é'.value(), Some(Value::from("é")));
        assert_eq!("a".value(), Some(Value::from("a")));
        assert_eq!(String::from("a").value(), Some(Value::from("a")));
        assert_eq!(Duration::from_micros(1).value(), Some(Value::F64(1e-6)));
    }

    #[test]
    fn an_integer_beyond_i64_becomes_its_decimal_text() {
        let first = u64::try_from(i64::MAX).unwrap();
        assert_eq!(first.value(), Some(Value::I64(i64::MAX)));
        assert_eq!((first + 1).value(), Some(Value::from("9223372036854775808")));
        assert_eq!(i128::MIN.value(), Some(Value::from(i128::MIN.to_string())));
        assert_eq!(u128::MAX.value(), Some(Value::from(u128::MAX.to_string())));
        assert_eq!(NonZero::<u64>::MAX.value(), Some(Value::from(u64::MAX.to_string())));
    }

    #[test]
    fn pointers_and_options_are_what_they_hold() {
        let mut number = 7_u32;
        let exclusive = &mut number;
        assert_eq!(<&mut u32>::value(&exclusive), Some(Value::I64(7)));
        assert_eq!((&&&number).value(), Some(Value::I64(7)));
        assert_eq!(Box::new(7).value(), Some(Value::I64(7)));
        assert_eq!(Rc::<str>::from("a").value(), Some(Value::from("a")));
        assert_eq!(Arc::<[u8]>::from([1, 2]).value(), Some(integers(&[1, 2])));
        assert_eq!(Cow::Borrowed("a").value(), Some(Value::from("a")));
        assert_eq!(Cow::<[i32]>::Owned(vec![1]).value(), Some(integers(&[1])));
        assert_eq!(Some(&Some(7)).value(), Some(Value::I64(7)));
        assert_eq!(None::<u8>.value(), None);
        assert_eq!(Some(None::<String>).value(), None);
        let dynamic: Box<dyn Attribute> = Box::new("a");
        assert_eq!(dynamic.value(), Some(Value::from("a")));
    }

    #[test]
    fn arrays_keep_the_type_of_their_elements() {
        assert_eq!([1_u8, 2].value(), Some(integers(&[1, 2])));
        assert_eq!([NonZero::<i8>::MIN].value(), Some(integers(&[-128])));
        assert_eq!([true].value(), Some(Value::Array(Array::Bool(vec![true]))));
        assert_eq!(vec![1.5_f32].value(), Some(Value::Array(Array::F64(vec![1.5]))));
        let owned = vec![String::from("a"), String::from("b")];
        assert_eq!(owned.value(), Some(texts(&["a", "b"])));
        assert_eq!(owned.as_slice().value(), Some(texts(&["a", "b"])));
        assert_eq!(owned.iter().collect::<Vec<_>>().value(), Some(texts(&["a", "b"])));
        assert_eq!(["a", "b"].value(), Some(texts(&["a", "b"])));
        assert_eq!([Cow::Borrowed("a")].value(), Some(texts(&["a"])));
        assert_eq!([Arc::<str>::from("a")].value(), Some(texts(&["a"])));
        assert_eq!(['a', 'b'].value(), Some(texts(&["a", "b"])));
    }

    #[test]
    fn an_empty_array_has_the_type_its_elements_would_have() {
        assert_eq!([0_u64; 0].value(), Some(integers(&[])));
        assert_eq!(Vec::<String>::new().value(), Some(texts(&[])));
        assert_eq!([false; 0].value(), Some(Value::Array(Array::Bool(vec![]))));
        assert_eq!([0.0; 0].value(), Some(Value::Array(Array::F64(vec![]))));
    }

    #[test]
    fn one_integer_beyond_i64_turns_the_whole_array_into_text() {
        assert_eq!([1, u64::MAX, 2].value(), Some(texts(&["1", "18446744073709551615", "2"])));
    }

    #[test]
    fn values_of_opentelemetry_are_themselves() {
        let values = [
            Value::Bool(true),
            Value::I64(1),
            Value::F64(1.0),
            Value::from("a"),
            Value::Array(Array::String(vec!["a".into()])),
            Value::Array(Array::F64(vec![])),
        ];
        for value in values {
            assert_eq!(value.value(), Some(value));
        }
        assert_eq!(StringValue::from("a").value(), Some(Value::from("a")));
        assert_eq!(Array::from(vec![1_i64]).value(), Some(integers(&[1])));
    }

    #[test]
    fn text_is_cut_between_two_characters() {
        for (text, limit, expected) in [
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("abc", 0, ""),
            ("aé", 2, "a"),
            ("é", 1, ""),
            ("🦀🦀", 7, "🦀"),
            ("", 0, ""),
        ] {
            assert_eq!(cut_to(text, limit), expected, "{text:?} to {limit}");
            assert_eq!(display_to(limit, &text), expected, "{text:?} to {limit}");
        }
    }

    #[test]
    fn arrays_are_cut_to_a_number_of_elements_and_their_strings_to_a_length() {
        let items = |text: &'static str| std::iter::repeat_with(move || Item::Text(text.into()));
        let Array::String(strings) = array(Kind::Text, &mut items("abc"), 2) else {
            panic!("strings stay strings");
        };
        assert!(strings.iter().all(|string| string.as_str() == "ab"));
        assert_eq!(strings.len(), ARRAY_STRINGS);

        let mut endless = std::iter::repeat_with(|| Item::Integer(1));
        let Array::I64(integers) = array(Kind::Integer, &mut endless, 2) else {
            panic!("integers stay integers");
        };
        assert_eq!(integers.len(), MAX_ELEMENTS);

        let mut big = (0..2000).map(|n| if n == 1000 { integer(u64::MAX) } else { integer(n) });
        let Array::String(strings) = array(Kind::Integer, &mut big, 4096) else {
            panic!("one big integer makes strings");
        };
        assert_eq!((strings.len(), strings[1000].as_str()), (MAX_ELEMENTS, "18446744073709551615"));
    }

    #[test]
    fn a_debug_of_a_megabyte_is_never_materialised() {
        struct Endless<'a>(&'a AtomicUsize);

        impl Debug for Endless<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    f.write_str("0123456789")?;
                }
            }
        }

        let writes = AtomicUsize::new(0);
        let value = formatted(format_args!("{:?}", Endless(&writes)), &DEBUG, 25);
        assert_eq!(value, Value::from("0123456789012345678901234"));
        assert_eq!(writes.into_inner(), 3);
    }

    #[test]
    fn nothing_slips_in_behind_the_cut() {
        struct Stubborn;

        impl Display for Stubborn {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let _ = f.write_str("éé");
                f.write_str("a")
            }
        }

        assert_eq!(display_to(3, &Stubborn), "é");
    }

    #[test]
    fn a_text_of_exactly_the_limit_is_whole_and_unmarked() {
        assert_eq!(display_to(3, &"abc"), "abc");
        assert_eq!(display_to(3, &format_args!("{}{}{}", "ab", "c", "")), "abc");
    }

    struct Fails;

    impl Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn a_display_that_fails_is_recorded_as_far_as_it_came() {
        assert_eq!(display(&Fails), Value::from("so far<Display failed>"));
        assert_eq!(display_to(20, &Fails), "so f<Display failed>");
        assert_eq!(display_to(8, &Fails), "<Display");
    }

    /// Panics with a payload whose `Drop` panics with a payload whose `Drop` panics.
    struct Bomb(u8);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Bomb(self.0 - 1));
            }
        }
    }

    struct Panics;

    impl Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            std::panic::panic_any(Bomb(2));
        }
    }

    impl Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no");
        }
    }

    #[test]
    fn a_display_or_debug_that_panics_does_not_take_the_caller_down() {
        assert_eq!(display(&Panics), Value::from("so far<Display panicked>"));
        assert_eq!(debug(&Panics), Value::from("<Debug panicked>"));
        assert_eq!(debug(&[Panics]), Value::from("[<Debug panicked>"));
    }

    #[test]
    fn a_display_that_unwraps_the_end_of_the_room_is_cut_not_marked() {
        struct Unwraps;

        impl Display for Unwraps {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("abcdef").unwrap();
                Ok(())
            }
        }

        assert_eq!(display_to(3, &Unwraps), "abc");
    }

    #[test]
    fn unsized_values_can_be_formatted() {
        assert_eq!(display("a"), Value::from("a"));
        assert_eq!(debug("a"), Value::from(r#""a""#));
        assert_eq!(debug::<[u8]>(&[1]), Value::from("[1]"));
        let dynamic: &dyn Display = &1;
        assert_eq!(display(dynamic), Value::from("1"));
    }
}

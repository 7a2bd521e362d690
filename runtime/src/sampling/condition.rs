//! What a rule looks at: the name of a span, its kind, and its attributes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Key, KeyValue, Value};

use crate::value::survive;

/// What has to be true of a span for a rule to be about it: [`name`], [`kind`], [`attribute`] or [`attribute_where`], and
/// these together.
#[derive(Clone)]
pub struct Condition(Test);

#[derive(Clone)]
enum Test {
    Name(Cow<'static, str>),
    Kind(SpanKind),
    Attribute(Key, Value),
    Where(Key, Arc<dyn Fn(&Value) -> bool + Send + Sync>),
    And(Box<(Test, Test)>),
    Or(Box<(Test, Test)>),
    Not(Box<Test>),
}

/// A span of this name; `*` stands for any text, also none: `name("GET /health*")`.
pub fn name(pattern: impl Into<Cow<'static, str>>) -> Condition {
    Condition(Test::Name(pattern.into()))
}

/// A span of this kind.
pub fn kind(kind: SpanKind) -> Condition {
    Condition(Test::Kind(kind))
}

/// A span that has this attribute when it starts, with exactly this value, type included.
///
/// A set-up whose sampler has such a rule evaluates the attributes of a call that begins a trace before it decides.
/// Attributes that are set later are not there yet: [`Tail`](super::Tail) sees those.
pub fn attribute(key: impl Into<Key>, value: impl Into<Value>) -> Condition {
    Condition(Test::Attribute(key.into(), value.into()))
}

/// A span that has this attribute when it starts, with a value of which `is` says so. Where that panics, it is none.
pub fn attribute_where(
    key: impl Into<Key>,
    is: impl Fn(&Value) -> bool + Send + Sync + 'static,
) -> Condition {
    Condition(Test::Where(key.into(), Arc::new(is)))
}

impl Condition {
    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self(Test::And(Box::new((self.0, other.0))))
    }

    /// Either, or both.
    pub fn or(self, other: Self) -> Self {
        Self(Test::Or(Box::new((self.0, other.0))))
    }

    /// Not this.
    #[expect(clippy::should_implement_trait, reason = "beside `and` and `or` it reads as it is meant")]
    pub fn not(self) -> Self {
        Self(Test::Not(Box::new(self.0)))
    }

    pub(super) fn holds(&self, name: &str, kind: &SpanKind, attributes: &[KeyValue]) -> bool {
        self.0.holds(name, kind, attributes)
    }

    pub(super) fn reads_attributes(&self) -> bool {
        self.0.reads_attributes()
    }
}

impl Test {
    fn holds(&self, name: &str, kind: &SpanKind, attributes: &[KeyValue]) -> bool {
        // The attribute that is set last is the one that counts.
        let value = |key: &Key| attributes.iter().rfind(|has| has.key == *key).map(|has| &has.value);
        match self {
            Self::Name(pattern) => matches(pattern, name),
            Self::Kind(expected) => kind == expected,
            Self::Attribute(key, expected) => value(key) == Some(expected),
            Self::Where(key, is) => value(key).is_some_and(|value| survive(|| is(value)).unwrap_or_default()),
            Self::And(both) => both.0.holds(name, kind, attributes) && both.1.holds(name, kind, attributes),
            Self::Or(both) => both.0.holds(name, kind, attributes) || both.1.holds(name, kind, attributes),
            Self::Not(other) => !other.holds(name, kind, attributes),
        }
    }

    fn reads_attributes(&self) -> bool {
        match self {
            Self::Name(_) | Self::Kind(_) => false,
            Self::Attribute(..) | Self::Where(..) => true,
            Self::And(both) | Self::Or(both) => both.0.reads_attributes() || both.1.reads_attributes(),
            Self::Not(other) => other.reads_attributes(),
        }
    }
}

/// Whether a text is as a pattern says. Each piece between stars is found as early as can be, so none is looked for twice.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces = rest.split('*');
    let Some(last) = pieces.next_back() else { return true };
    for piece in pieces {
        let Some(found) = text.find(piece) else { return false };
        text = &text[found + piece.len()..];
    }
    text.ends_with(last)
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({self})")
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(pattern) => write!(f, "`{pattern}`"),
            Self::Kind(kind) => write!(f, "{}", format!("{kind:?}").to_lowercase()),
            Self::Attribute(key, _) | Self::Where(key, _) => write!(f, "by `{key}`"),
            Self::And(both) => write!(f, "({} and {})", both.0, both.1),
            Self::Or(both) => write!(f, "({} or {})", both.0, both.1),
            Self::Not(other) => write!(f, "not {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("*", "é/b", true),
            ("a*", "ab", true),
            ("a*", "ba", false),
            ("*b", "ab", true),
            ("a*b", "ab", true),
            ("ab*b", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*a*a*", "a", false),
            ("**", "x", true),
            ("GET /*/items", "GET /orders/items", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!matches(&"a*".repeat(10_000), &"a".repeat(9_999)));
    }

    #[test]
    fn conditions_are_put_together() {
        let has = [KeyValue::new("n", 1), KeyValue::new("n", 2)];
        let holds = |condition: Condition| condition.holds("x", &SpanKind::Server, &has);
        assert!(holds(attribute("n", 2)));
        assert!(!holds(attribute("n", 1)), "the last one counts");
        assert!(!holds(attribute("n", "2")), "by type");
        assert!(!holds(attribute_where("n", |_| panic!("no"))));
        assert!(holds(name("x").and(kind(SpanKind::Server))));
        assert!(!holds(name("y").and(kind(SpanKind::Server))));
        assert!(holds(name("y").or(kind(SpanKind::Client).not())));
        assert!(name("x").or(attribute("n", 1).not()).reads_attributes());
        assert!(!name("x").and(kind(SpanKind::Client)).reads_attributes());
    }
}

//! W3C baggage: <https://www.w3.org/TR/baggage/>.
//!
//! A member that is not sound is left out, the others stay.

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt, KeyValueMetadata};

use super::Extract;
use super::header::{self, BLANKS, MAX_LENGTH, Written};

pub(super) const BAGGAGE: &str = "baggage";

/// What `Baggage` has room for.
pub(super) const KEPT: usize = 64;

/// The members that the header has.
pub(super) fn read(carrier: &dyn Extract) -> Option<Vec<KeyValueMetadata>> {
    /// More than any version of the specification has allowed.
    const MAX_MEMBERS: usize = 180;

    let text = header::list(carrier, BAGGAGE)?;
    if text.split(',').count() > MAX_MEMBERS {
        return None;
    }
    let members: Vec<_> = text.split(',').filter_map(member).take(KEPT).collect();
    (!members.is_empty()).then_some(members)
}

pub(super) fn write(cx: &Context, headers: &mut Written) {
    let mut members: Vec<_> = cx.baggage().iter().collect();
    // `Baggage` has no order; a header should not change from one call to the next.
    members.sort_unstable_by_key(|(name, _)| name.as_str());
    let mut header = String::new();
    for (name, (value, metadata)) in members {
        let mut member = format!("{name}={}", percent_encoded(value.as_str()));
        for property in properties(metadata.as_str()) {
            member.push(';');
            member.push_str(property);
        }
        let comma = if header.is_empty() { "" } else { "," };
        // Encoding may have made it longer than it came; a member is left out whole.
        if header.len() + comma.len() + member.len() <= MAX_LENGTH {
            header.push_str(comma);
            header.push_str(&member);
        }
    }
    if !header.is_empty() {
        headers.put(BAGGAGE, header);
    }
}

fn member(text: &str) -> Option<KeyValueMetadata> {
    let (pair, metadata) = text.split_once(';').unwrap_or((text, ""));
    let (name, value) = pair.split_once('=')?;
    let name = Some(name.trim_matches(BLANKS)).filter(|name| header::is_token(name))?;
    let value = percent_decoded(value.trim_matches(BLANKS))?;
    let metadata: Vec<_> = properties(metadata).collect();
    Some(KeyValueMetadata::new(name.to_owned(), value, metadata.join(";")))
}

/// The properties of a member that can be written as they are, without the tabs that few receivers expect. They are not decoded, since nothing would
/// encode them again: a `%0d%0a` in one stays these six characters.
fn properties(text: &str) -> impl Iterator<Item = &str> {
    let sound = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b',' | b'\\');
    let properties = text.split(';').map(|property| property.trim_matches(BLANKS));
    properties.filter(move |text| !text.is_empty() && text.bytes().all(sound))
}

/// Encodes what must be, and the `%`, `+` and `=` that some receivers would read as something else.
pub(super) fn percent_encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"%+,;=\\".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

/// Decodes what is encoded; a `%` without two digits after it is itself. `None` if it is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |index: usize| char::from(*after.get(index)?).to_digit(16);
        let code = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        match code {
            Some(code) if byte == b'%' => {
                decoded.push(code);
                rest = &after[2..];
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use proptest::prelude::*;

    use super::super::Propagator;
    use super::super::tests::{all, baggage_of, extracted, injected, pairs};
    use super::*;

    #[test]
    fn baggage_is_read_member_by_member() {
        for (value, expected) in [
            ("a=1", vec![("a", "1;")]),
            (" a = 1 , b=2\t", vec![("a", "1;"), ("b", "2;")]),
            ("a=1;p;q = 2 ; r=%0d%0a", vec![("a", "1;p;q = 2;r=%0d%0a")]),
            ("a=b=c", vec![("a", "b=c;")]),
            ("a=%41%2C%20%F0%9F%A6%80%2", vec![("a", "A, 🦀%2;")]),
            ("a=%2541%zz%", vec![("a", "%41%zz%;")]),
            ("a=", vec![("a", ";")]),
            ("a=1,a=2", vec![("a", "2;")]),
            ("a=b c\"\\", vec![("a", "b c\"\\;")]),
            ("a=1;p=\"q\";r", vec![("a", "1;r")]),
            ("a=1,b,=2,c d=3,(=4,é", vec![]),
            ("a=1,b,=2,c d=3,(=4,;p=5", vec![("a", "1;")]),
            ("a=%ff,b=1", vec![("b", "1;")]),
            ("a=1\r\nx: y", vec![]),
            ("a=1\0", vec![]),
            ("", vec![]),
            (",;=,", vec![]),
        ] {
            assert_eq!(baggage_of(&extracted([(BAGGAGE, value)])), pairs(&expected), "{value:?}");
        }
    }

    #[test]
    fn baggage_has_limits() {
        let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let value = |length: usize| format!("a={}", "x".repeat(length - 2));
        for (header, expected) in [
            (members(64), 64),
            (members(65), 64),
            (members(180), 64),
            (members(181), 0),
            (value(8192), 1),
            (value(8193), 0),
            (",".repeat(8192), 0),
        ] {
            let parent = extracted([(BAGGAGE, &header)]);
            assert_eq!(parent.context().baggage().len(), expected, "{} bytes", header.len());
        }
    }

    #[test]
    fn baggage_that_would_be_too_long_is_written_as_far_as_it_goes() {
        let cx = Context::new().with_baggage([
            KeyValue::new("a", "\"".repeat(2731)),
            KeyValue::new("b", "1"),
            KeyValue::new("c", "\"".repeat(2000)),
        ]);
        assert_eq!(injected(vec![Propagator::Baggage], &cx)[0].1.len(), "b=1,c=".len() + 6000);
    }

    proptest! {
        #[test]
        fn any_baggage_comes_back_as_it_went(members in proptest::collection::vec(("[a-z]{1,8}", any::<String>()), 0..9)) {
            let members = members.into_iter().map(|(name, value)| KeyValue::new(name, value));
            let cx = Context::new().with_baggage(members.collect::<Vec<_>>());
            prop_assert_eq!(baggage_of(&extracted(injected(all(), &cx))), baggage_of(&cx.into()));
        }
    }
}

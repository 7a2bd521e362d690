//! The headers that context stands in: found in a carrier if they are sound, gathered before they are written.
//!
//! What every format asks of a header stands here: how often, how long, of which characters. Which headers
//! there are, and what they mean, is the formats' own.

use std::borrow::Cow;

use opentelemetry::trace::{SpanId, TraceId};

use super::Extract;

/// The most bytes that are read under one name, and the most baggage that is written.
pub(super) const MAX_LENGTH: usize = 8192;

pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// A header that is not to be trusted: of a wrong form, too long, or there more often than it may be.
pub(super) struct Malformed;

/// All values under `name`, if each is the text of a header, and all together are no longer than one may be.
pub(super) fn all(carrier: &dyn Extract, name: &str) -> Result<Vec<String>, Malformed> {
    let mut values = Ok(Vec::new());
    // Counted with the comma that joins two, so that no number of empty ones is too many to count.
    let mut length = 0;
    carrier.find(name, &mut |value| {
        if let Ok(read) = &mut values {
            length += value.len() + usize::from(!read.is_empty());
            match text(value) {
                Some(text) if length <= MAX_LENGTH => read.push(text.to_owned()),
                _ => values = Err(Malformed),
            }
        }
    });
    values
}

/// The value under `name`, where there must not be two.
pub(super) fn one(carrier: &dyn Extract, name: &str) -> Result<Option<String>, Malformed> {
    let mut values = all(carrier, name)?;
    let value = values.pop();
    if values.is_empty() { Ok(value) } else { Err(Malformed) }
}

/// The value under `name`, all occurrences in one, as HTTP allows of a list.
pub(super) fn list(carrier: &dyn Extract, name: &str) -> Option<String> {
    all(carrier, name).ok().filter(|values| !values.is_empty()).map(|values| values.join(","))
}

/// `value` as text without blanks around it, if it is short enough and printable ASCII, which keeps line
/// breaks out of everything that is made of it.
pub(super) fn text(value: &[u8]) -> Option<&str> {
    let printable = |&byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let sound = value.len() <= MAX_LENGTH && value.iter().all(printable);
    sound.then(|| std::str::from_utf8(value).ok()).flatten().map(|text| text.trim_matches(BLANKS))
}

/// Whether `text` is what HTTP calls a token: the name of a header or of a baggage member.
pub(crate) fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

/// The number that exactly so many `digits` stand for. Only lower case is written, so only that is read; and
/// no sign, which `from_str_radix` by itself would take.
pub(super) fn hex(text: &str, digits: usize) -> Option<u128> {
    let sound = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    sound.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// A trace id of so many `digits`: 32, or 16 in older systems.
pub(super) fn trace_id(text: &str, digits: usize) -> Option<TraceId> {
    hex(text, digits).map(TraceId::from).filter(|&id| id != TraceId::INVALID)
}

pub(super) fn span_id(text: &str) -> Option<SpanId> {
    let id = u64::try_from(hex(text, 16)?).ok()?;
    Some(SpanId::from(id)).filter(|&id| id != SpanId::INVALID)
}

/// What a propagator is about to write, by name in lower case.
#[derive(Default)]
pub(super) struct Written(pub(super) Vec<(Cow<'static, str>, String)>);

impl Written {
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

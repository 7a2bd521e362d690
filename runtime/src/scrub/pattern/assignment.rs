//! Secrets that a text names: `password=…`, `token: "…"`, `?api_key=…`, `Password("…")`.
//!
//! It is how `Debug`, JSON, connection strings, queries of URLs and command lines say them.

use super::{Parts, end, is_inside};
use crate::scrub::key::secret;

/// The longest name that is looked at.
const NAME: usize = 64;

/// The values of a name whose value is to be hidden.
struct Name {
    what: &'static str,
    /// Whether people write about it before a colon, as in `unexpected token: …`.
    is_a_word: bool,
}

pub(super) fn find(bytes: &[u8], parts: &mut Parts) {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| matches!(byte, b'=' | b':' | b'(')) {
        let sign = from + found;
        from = sign + 1;
        let is_double = |other: Option<&u8>| other == Some(&bytes[sign]);
        if bytes[sign] != b'(' && is_double(bytes.get(sign + 1)) {
            // `::` and `==`; the second sign is no beginning either.
            from = end(bytes, sign, |byte| byte == bytes[sign]);
            continue;
        }
        let Some(name) = name(bytes, sign) else { continue };
        if let Some((start, stop)) = value(bytes, sign, &name) {
            parts.add(start..stop, name.what);
            from = stop;
        }
    }
}

/// The name before a sign, if it is a secret's.
fn name(bytes: &[u8], sign: usize) -> Option<Name> {
    let before = &bytes[sign.saturating_sub(NAME + 4)..sign];
    let before = before.strip_suffix(b" ").unwrap_or(before);
    // `"name"`, and `\"name\"` inside of a string.
    let quote = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'"));
    let before = quote.map_or(before, |before| before.strip_suffix(b"\\").unwrap_or(before));
    let length = before.iter().rev().take_while(|&&byte| is_inside(byte) || byte == b'.').count();
    let name = &before[before.len() - length..];
    // It is ASCII.
    let text = std::str::from_utf8(name).ok()?;
    let is_query = matches!(before[..before.len() - length].last(), Some(b'?' | b'&'));
    let what = match secret(text) {
        Some(what) => what,
        None if is_query && is_signature(name) => "signature",
        None => return None,
    };
    let is_a_word = quote.is_none() && matches!(what, "token" | "authorization" | "cookie" | "credentials");
    Some(Name { what, is_a_word })
}

fn is_signature(name: &[u8]) -> bool {
    let last = name.rsplit(|byte| matches!(byte, b'-' | b'_' | b'.')).next().unwrap_or_default();
    last.eq_ignore_ascii_case(b"sig") || last.eq_ignore_ascii_case(b"signature")
}

/// Where the value stands that a sign gives to a name, if there is one to be hidden.
fn value(bytes: &[u8], sign: usize, name: &Name) -> Option<(usize, usize)> {
    let rest = |place: usize| bytes.get(place..).unwrap_or_default();
    let mut start = end(bytes, sign + 1, |byte| byte == b' ');
    // An arrow.
    if rest(start).starts_with(b">") {
        start = end(bytes, start + 1, |byte| byte == b' ');
    }
    if rest(start).starts_with(b"Some(") {
        start += b"Some(".len();
    }
    for quote in [&b"\""[..], b"'", b"\\\""] {
        if rest(start).starts_with(quote) {
            let start = start + quote.len();
            return shown(rest(start)).then(|| (start, closing(bytes, start, quote)));
        }
    }
    if bytes[sign] == b'(' || !shown(rest(start)) {
        return None;
    }
    let stop = end(bytes, start, is_of_value);
    let word = &bytes[start..stop];
    // `Authorization: Bearer …`, whose scheme may stay.
    if name.what == "authorization" && is_scheme(word) {
        let start = end(bytes, stop, |byte| byte == b' ');
        return Some((start, end(bytes, start, is_of_value)));
    }
    if name.what == "cookie" && word.contains(&b'=') {
        let stop = end(bytes, start, |byte| !matches!(byte, b'\n' | b'\r' | b'"' | b'\''));
        return Some((start, stop));
    }
    if bytes[sign] == b':' {
        let is_odd = word.iter().any(u8::is_ascii_digit) && word.len() >= 6;
        let is_alone = matches!(bytes.get(stop), None | Some(b',' | b';' | b'}' | b'\n' | b'\r' | b'&'));
        if !is_odd && (name.is_a_word || !is_alone) {
            return None;
        }
    }
    Some((start, stop))
}

/// Whether a value says anything that is not to be seen: nothing, a place for a value, and what is hidden already, do not.
fn shown(value: &[u8]) -> bool {
    let word = &value[..end(value, 0, is_of_value)];
    let is_place = matches!(word, [b'?' | b'$' | b':' | b'%' | b'@', ..] if word.len() < 4)
        || matches!(word, [b'$', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
    let is_nothing = matches!(word, b"" | b"None" | b"null" | b"nil" | b"true" | b"false" | b"undefined");
    !is_place && !is_nothing && !value.starts_with(b"***") && !value.starts_with(b"[redacted")
}

fn is_scheme(word: &[u8]) -> bool {
    [&b"bearer"[..], b"basic", b"token", b"apikey", b"digest", b"negotiate"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Where a quoted value ends: at its quote, or with the text, which may be cut.
fn closing(bytes: &[u8], start: usize, quote: &[u8]) -> usize {
    let mut place = start;
    while place < bytes.len() {
        if bytes[place..].starts_with(quote) {
            return place;
        }
        place += if bytes[place] == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

/// Whether a byte may stand in a value without quotes.
fn is_of_value(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
        && !matches!(
            byte,
            b'&' | b',' | b';' | b'"' | b'\'' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'`'
        )
}

//! Tokens that are known by how they begin, and private keys.

use super::{Parts, end, is_inside};

/// How the tokens of well-known services begin, and how many characters they have at least.
const BEGINNINGS: [(&[u8], usize, &str); 19] = [
    (b"ghp_", 30, "github token"),
    (b"gho_", 30, "github token"),
    (b"ghu_", 30, "github token"),
    (b"ghs_", 30, "github token"),
    (b"ghr_", 30, "github token"),
    (b"github_pat_", 30, "github token"),
    (b"glpat-", 20, "gitlab token"),
    (b"xoxa-", 20, "slack token"),
    (b"xoxb-", 20, "slack token"),
    (b"xoxp-", 20, "slack token"),
    (b"xoxr-", 20, "slack token"),
    (b"xoxs-", 20, "slack token"),
    (b"sk_live_", 20, "stripe key"),
    (b"rk_live_", 20, "stripe key"),
    (b"sk-ant-", 24, "api key"),
    (b"sk-proj-", 24, "api key"),
    (b"npm_", 30, "npm token"),
    (b"pypi-", 40, "pypi token"),
    (b"AIza", 35, "google api key"),
];

/// Words that come behind `bearer` where people write about it.
const ABOUT: [&[u8]; 7] = [
    b"authentication",
    b"authorization",
    b"credential",
    b"credentials",
    b"challenge",
    b"instrument",
    b"tokens",
];

pub(super) fn find(bytes: &[u8], parts: &mut Parts) {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|&byte| is_inside(byte)) {
        let start = from + found;
        let stop = end(bytes, start, is_inside);
        from = match &bytes[start..stop] {
            scheme if scheme.eq_ignore_ascii_case(b"bearer") => bearer(bytes, stop, parts),
            scheme if scheme.eq_ignore_ascii_case(b"basic") => basic(bytes, stop, parts),
            word => token(bytes, start, word, parts),
        };
    }
}

/// The token of which `word` is the beginning, or all. Gives where to go on.
fn token(bytes: &[u8], start: usize, word: &[u8], parts: &mut Parts) -> usize {
    let stop = start + word.len();
    if word.starts_with(b"eyJ") {
        // Header, content and signature, which may be empty; encrypted ones have five parts.
        let mut last = stop;
        let mut dots = 0;
        while dots < 4 && bytes.get(last) == Some(&b'.') {
            last = end(bytes, last + 1, is_inside);
            dots += 1;
        }
        if dots >= 2 {
            parts.add(start..last, "jwt");
        }
        return last;
    }
    if is_access_key(word) {
        parts.add(start..stop, "aws access key");
    } else if word == b"hvs" {
        let last = if bytes.get(stop) == Some(&b'.') { end(bytes, stop + 1, is_inside) } else { stop };
        if last - start >= 24 {
            parts.add(start..last, "vault token");
        }
        return last;
    } else if let Some((_, _, what)) =
        BEGINNINGS.iter().find(|(begins, length, _)| word.len() >= *length && word.starts_with(begins))
    {
        parts.add(start..stop, what);
    }
    stop
}

fn is_access_key(word: &[u8]) -> bool {
    word.len() == 20
        && (word.starts_with(b"AKIA") || word.starts_with(b"ASIA"))
        && word.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Where a token begins that ends with the text, and is not all there.
pub(super) fn begins(bytes: &[u8]) -> Option<usize> {
    let start = super::ending::last(bytes, |byte| is_inside(byte) || byte == b'.');
    let word = &bytes[start..];
    let known = [&b"eyJ"[..], b"AKIA", b"ASIA", b"hvs."];
    let mut known = known.into_iter().chain(BEGINNINGS.iter().map(|(begins, ..)| *begins));
    known.any(|begins| word.starts_with(begins)).then_some(start)
}

/// What stands behind the scheme, as far as it may be of a token.
fn credentials(bytes: &[u8], from: usize) -> std::ops::Range<usize> {
    // As in a header that was written by hand.
    let sign = from + usize::from(bytes.get(from) == Some(&b':'));
    let start = end(bytes, sign, |byte| matches!(byte, b' ' | b'\t'));
    if start == sign {
        return from..from;
    }
    start..end(bytes, start, |byte| is_inside(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'='))
}

fn bearer(bytes: &[u8], from: usize, parts: &mut Parts) -> usize {
    let range = credentials(bytes, from);
    let text = &bytes[range.clone()];
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_word = text.iter().all(u8::is_ascii_lowercase) && (text.len() < 8 || ABOUT.contains(&text));
    if text.len() >= 6 && !is_word {
        parts.add(range.start..range.start + text.len(), "bearer token");
        return range.end;
    }
    // It may begin something itself.
    range.start
}

/// User and password in base64: with a colon between.
fn basic(bytes: &[u8], from: usize, parts: &mut Parts) -> usize {
    let range = credentials(bytes, from);
    if has_colon(&bytes[range.clone()]) {
        parts.add(range.clone(), "basic auth");
        return range.end;
    }
    range.start
}

fn has_colon(base64: &[u8]) -> bool {
    let mut bits = 0_u32;
    let mut held = 0;
    for &byte in base64 {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            if bits >> held & 0xff == u32::from(b':') {
                return true;
            }
        }
    }
    false
}

/// Private keys as PEM, from their first line to their last; to the end, where the text is cut.
pub(super) fn keys(text: &str, parts: &mut Parts) {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    const LABEL: usize = 64;
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(BEGIN)) {
        let start = from + found;
        let label = start + BEGIN.len();
        let line = &bytes[label..bytes.len().min(label + LABEL)];
        let line = line.split(|&byte| byte == b'-').next().unwrap_or_default();
        from = label;
        if line.ends_with(b"PRIVATE KEY") || line.ends_with(b"PRIVATE KEY BLOCK") {
            let stop = text[label..].find(END).map_or(text.len(), |end| {
                let behind = label + end + END.len();
                // Behind the dashes of the last line.
                let dashes = super::end(bytes, behind, |byte| {
                    byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9')
                });
                super::end(bytes, dashes, |byte| byte == b'-')
            });
            parts.add(start..stop, "private key");
            from = stop;
        }
    }
}

//! The end of a text that was cut: half a secret, which has lost its form.
//!
//! What looks as if it had gone on to be one is told; a word at the end is left as it is.

use super::{card, end, is_inside, token};

/// Where the secret begins that the end of a text may be half of.
pub(super) fn find(text: &str, emails: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    [userinfo(text), card::begins(bytes), token::begins(bytes), credentials(bytes), email(bytes, emails)]
        .into_iter()
        .flatten()
        .min()
}

/// The last place behind which all bytes are of a kind.
pub(super) fn last(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().rposition(|&byte| !of(byte)).map_or(0, |before| before + 1)
}

/// User and password of a URL, before anybody says that they are no host and port.
fn userinfo(text: &str) -> Option<usize> {
    let start = text.rfind("://")? + 3;
    let rest = &text.as_bytes()[start..];
    let is_over = end(rest, 0, |byte| !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'"' | b'\'' | 0..=b' '));
    (is_over == rest.len() && rest.contains(&b':')).then_some(start)
}

/// What stands behind a scheme of authorization.
fn credentials(bytes: &[u8]) -> Option<usize> {
    let start = last(bytes, |byte| is_inside(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'='));
    let before = bytes[..start].trim_ascii_end();
    let before = before.strip_suffix(b":").unwrap_or(before);
    let word = &before[last(before, is_inside)..];
    let is_scheme = word.eq_ignore_ascii_case(b"bearer") || word.eq_ignore_ascii_case(b"basic");
    (is_scheme && start < bytes.len()).then_some(start)
}

fn email(bytes: &[u8], emails: bool) -> Option<usize> {
    let start = last(bytes, |byte| !byte.is_ascii_whitespace() && !matches!(byte, b'<' | b'"' | b',' | b';'));
    (emails && bytes[start..].contains(&b'@')).then_some(start)
}

//! What stands around an `@`: user and password of a URL, and e-mail addresses.

use super::{Parts, end};

/// The longest parts of an address that there may be.
const LOCAL: usize = 64;
const DOMAIN: usize = 253;

/// User and password, before the host of a URL.
pub(super) fn userinfo(bytes: &[u8], parts: &mut Parts) {
    let mut from = 0;
    while let Some(found) = bytes[from..].windows(3).position(|three| three == b"://") {
        let start = from + found + 3;
        let stop = end(bytes, start, |byte| {
            !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | 0..=b' ')
        });
        if let Some(at) = bytes[start..stop].iter().rposition(|&byte| byte == b'@') {
            parts.add(start..start + at, "userinfo");
        }
        from = stop;
    }
}

pub(super) fn emails(text: &str, parts: &mut Parts) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, _) in text.match_indices('@') {
        if at < done {
            continue;
        }
        let is_local =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte) || !byte.is_ascii();
        let before = bytes[done..at].iter().rev().take(LOCAL).take_while(|byte| is_local(byte)).count();
        let is_domain =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || !byte.is_ascii();
        let behind = bytes[at + 1..].iter().take(DOMAIN).take_while(|byte| is_domain(byte)).count();
        // A point at the end is the sentence's.
        let domain = &bytes[at + 1..at + 1 + behind];
        let behind = behind - domain.iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
        if before > 0 && domain[..behind].contains(&b'.') {
            let (start, stop) = (whole(text, at - before), whole(text, at + 1 + behind));
            parts.add(start..stop, "e-mail address");
            done = stop;
        }
    }
}

/// The next place where a character begins: what was counted in bytes may have stopped inside of one.
fn whole(text: &str, mut place: usize) -> usize {
    while !text.is_char_boundary(place) {
        place += 1;
    }
    place
}

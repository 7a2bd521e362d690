//! Secrets in the middle of texts, known by their form.
//!
//! Each kind has a finder that goes through the text once, whatever the text is. A look at each byte says first which finders
//! have anything to look for: most texts are left after it.

mod assignment;
mod card;
mod ending;
mod token;
mod url;

use std::ops::Range;

pub(super) use card::is_card;

/// Parts of a text that are not to be seen, and what each of them is.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<(Range<usize>, &'static str)>);

impl Parts {
    fn add(&mut self, range: Range<usize>, what: &'static str) {
        if !range.is_empty() {
            self.0.push((range, what));
        }
    }

    /// The text without the parts, if there are any. Where parts overlap, the first says what they were.
    fn without(mut self, text: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_unstable_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        for (Range { start, end }, what) in self.0 {
            // Every edge is beside ASCII; were one not, there would be no text to show.
            if start >= done {
                clean.push_str(text.get(done..start).unwrap_or_default());
                clean.push_str("[redacted: ");
                clean.push_str(what);
                clean.push(']');
            }
            done = done.max(end);
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        Some(clean)
    }
}

/// What a byte may be part of.
const AT: u8 = 1;
const SAYS: u8 = 2;
const SPACE: u8 = 4;
const UPPER: u8 = 8;
const DASH: u8 = 16;
const DIGIT: u8 = 32;
const LOW_LINE: u8 = 64;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it counts bytes")]
        let kind = match byte as u8 {
            b'@' => AT,
            b'=' | b':' | b'(' => SAYS,
            b' ' | b'\t' => SPACE,
            b'A'..=b'Z' => UPPER,
            b'-' => DASH,
            b'0'..=b'9' => DIGIT,
            b'_' => LOW_LINE,
            _ => 0,
        };
        kinds[byte] = kind;
        byte += 1;
    }
    kinds
};

/// A shorter text has no room for a secret between a word and a sign.
const SHORTEST: usize = 5;
/// The shortest token with a form of its own.
const TOKEN: usize = 14;

/// The text without its secrets, if it has any.
pub(super) fn clean(text: &str, emails: bool) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < SHORTEST {
        return None;
    }
    let kinds = bytes.iter().fold(0, |kinds, &byte| kinds | KINDS[usize::from(byte)]);
    if kinds & (AT | SAYS | SPACE | UPPER | DIGIT) == 0 {
        return None;
    }
    let has = |kind: u8| kinds & kind != 0;
    let mut parts = Parts::default();
    if has(SAYS) {
        assignment::find(bytes, &mut parts);
    }
    if has(AT) {
        url::userinfo(bytes, &mut parts);
        if emails {
            url::emails(text, &mut parts);
        }
    }
    if bytes.len() >= TOKEN {
        if has(UPPER | SPACE | DASH | LOW_LINE) && has(UPPER | DIGIT | SPACE) {
            token::find(bytes, &mut parts);
        }
        if has(SPACE) && has(DASH) && has(UPPER) {
            token::keys(text, &mut parts);
        }
    }
    if has(DIGIT) && bytes.len() >= card::SHORTEST {
        card::find(bytes, &mut parts);
    }
    parts.without(text)
}

/// The text without its end, where it was cut and the end may be half a secret.
pub(super) fn without_end(text: &str, emails: bool) -> Option<String> {
    let start = ending::find(text, emails)?;
    Some(format!("{}[redacted: cut off]", text.get(..start)?))
}

/// Whether a byte may stand in the middle of a name or a token.
fn is_inside(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Where the bytes end, from a place on, that are of a kind.
fn end(bytes: &[u8], from: usize, of: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|&byte| !of(byte)).map_or(bytes.len(), |length| from + length)
}

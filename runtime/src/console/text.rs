//! Text as a terminal shows it: escaped, cut and measured in columns.
//!
//! Names, values and error texts come from whoever sent the request. `Text` is the only way onto the page, and
//! it lets no control character through, whatever the caller forgot. It knows nothing of spans.

use opentelemetry::{Array, Value};
use unicode_width::UnicodeWidthChar;

/// What a line is cut with.
const ELLIPSIS: &str = "…";

/// A colour: the code that switches it on, or nothing where colours are off.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ink(pub(super) &'static str);

const RESET: &str = "\x1b[0m";

/// A piece of a line and how wide it is once the colours are put aside.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    painted: String,
    width: usize,
}

impl Text {
    /// A text of one colour.
    pub(super) fn of(ink: Ink, text: &str) -> Self {
        Self::cut(ink, text, usize::MAX)
    }

    /// A text of one colour, at most `most` columns wide.
    pub(super) fn cut(ink: Ink, text: &str, most: usize) -> Self {
        let mut whole = Self::default();
        whole.put_cut(ink, text, most);
        whole
    }

    pub(super) fn put(&mut self, ink: Ink, text: &str) {
        self.put_cut(ink, text, usize::MAX);
    }

    pub(super) fn put_cut(&mut self, ink: Ink, text: &str, most: usize) {
        let mut cutter = Cutter::new(most);
        cutter.text(text, Quotes::No);
        let (text, width) = cutter.finish();
        if text.is_empty() {
            return;
        }
        if ink.0.is_empty() {
            self.painted.push_str(&text);
        } else {
            self.painted.extend([ink.0, &text, RESET]);
        }
        self.width += width;
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.painted.push_str(&other.painted);
        self.width += other.width;
    }

    /// Blanks up to column `column`, where the text is not there yet.
    pub(super) fn pad_to(&mut self, column: usize) {
        let missing = column.saturating_sub(self.width);
        self.painted.extend(std::iter::repeat_n(' ', missing));
        self.width += missing;
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Writes the line, without the blanks at its end.
    pub(super) fn write_line(&self, page: &mut String) {
        page.push_str(self.painted.trim_end_matches(' '));
        page.push('\n');
    }
}

/// Breaks `text` into at most `most_lines` of `width` columns, at blanks where that costs little.
pub(super) fn wrap(ink: Ink, text: &str, width: usize, most_lines: usize) -> Vec<Text> {
    let mut cutter = Cutter::new(width.saturating_mul(most_lines));
    cutter.text(text, Quotes::No);
    let (text, _) = cutter.finish();
    let mut lines = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // On the last line there is no further one to break to.
        let end = if lines.len() + 1 == most_lines { rest.len() } else { line_end(rest, width) };
        let (line, next) = rest.split_at(end);
        lines.push(Text::cut(ink, line.trim_end(), width));
        rest = next.trim_start();
    }
    lines
}

/// Where the first line of `text` ends, in bytes.
fn line_end(text: &str, width: usize) -> usize {
    let mut used = 0;
    let mut blank = None;
    for (at, c) in text.char_indices() {
        if c == ' ' {
            blank = Some((at, used));
        }
        used += c.width().unwrap_or(0);
        if used > width {
            // A break far to the left would waste the line.
            let fair = blank.filter(|&(_, column)| column * 2 > width);
            // At least one character goes, or nothing ever would.
            return fair.map_or(at, |(at, _)| at).max(text.chars().next().map_or(0, char::len_utf8));
        }
    }
    text.len()
}

/// An attribute's value, at most `most` columns wide.
///
/// The types stay apart: a string stands in quotes where it would read as something else, `2.0` is a float.
pub(super) fn value(value: &Value, most: usize) -> String {
    let mut cutter = Cutter::new(most);
    match value {
        Value::String(text) => cutter.string(text.as_str(), false),
        Value::Array(Array::Bool(items)) => {
            cutter.list(items, |cutter, item| cutter.plain(&item.to_string()));
        }
        Value::Array(Array::I64(items)) => {
            cutter.list(items, |cutter, item| cutter.plain(&item.to_string()));
        }
        Value::Array(Array::F64(items)) => {
            cutter.list(items, |cutter, item| cutter.plain(&format!("{item:?}")));
        }
        Value::Array(Array::String(items)) => {
            cutter.list(items, |cutter, item| cutter.string(item.as_str(), true));
        }
        Value::F64(number) => cutter.plain(&format!("{number:?}")),
        other => cutter.plain(&other.as_str()),
    }
    cutter.finish().0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Yes,
    No,
}

/// Collects text up to a width, and can go back to where the ellipsis still fits.
struct Cutter {
    text: String,
    width: usize,
    most: usize,
    /// Length and width up to which an ellipsis may follow.
    safe: (usize, usize),
    chars: usize,
    over: bool,
}

impl Cutter {
    fn new(most: usize) -> Self {
        Self { text: String::new(), width: 0, most, safe: (0, 0), chars: 0, over: false }
    }

    /// Adds what must not be torn apart.
    fn push(&mut self, piece: &str, width: usize) {
        self.chars += 1;
        // Combining characters have no width, but a million of them is no line either.
        if self.over || self.width + width > self.most || self.chars > self.most.saturating_mul(4) {
            self.over = true;
            return;
        }
        self.text.push_str(piece);
        self.width += width;
        if self.width < self.most {
            self.safe = (self.text.len(), self.width);
        }
    }

    fn plain(&mut self, text: &str) {
        self.text(text, Quotes::No);
    }

    fn text(&mut self, text: &str, quotes: Quotes) {
        for c in text.chars() {
            // The rest of a megabyte need not be looked at.
            if self.over {
                return;
            }
            match c {
                '"' | '\\' if quotes == Quotes::Yes => self.push(&format!("\\{c}"), 2),
                c if is_hostile(c) => {
                    let escaped = c.escape_default().to_string();
                    self.push(&escaped, escaped.len());
                }
                c => self.push(c.encode_utf8(&mut [0; 4]), c.width().unwrap_or(0)),
            }
        }
    }

    fn string(&mut self, text: &str, in_list: bool) {
        if is_bare(text, in_list) {
            self.plain(text);
        } else {
            self.push("\"", 1);
            self.text(text, Quotes::Yes);
            self.push("\"", 1);
        }
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.push("[", 1);
        for (position, item) in items.iter().enumerate() {
            if self.over {
                return;
            }
            if position > 0 {
                self.plain(", ");
            }
            each(self, item);
        }
        self.push("]", 1);
    }

    fn finish(mut self) -> (String, usize) {
        if !self.over {
            return (self.text, self.width);
        }
        if self.most == 0 {
            return (String::new(), 0);
        }
        self.text.truncate(self.safe.0);
        self.text.push_str(ELLIPSIS);
        (self.text, self.safe.1 + 1)
    }
}

/// Whether a string can do without quotes: it can be taken for nothing else.
fn is_bare(text: &str, in_list: bool) -> bool {
    let plain =
        |c: char| !(c.is_whitespace() || is_hostile(c) || c == '"' || in_list && matches!(c, ',' | ']'));
    // No number or bool is longer, and texts of a megabyte need not be parsed to know.
    let other_type = text.len() <= 64 && (text.parse::<f64>().is_ok() || matches!(text, "true" | "false"));
    !text.is_empty() && !text.starts_with('[') && text.chars().all(plain) && !other_type
}

/// Characters that act instead of being seen: controls, line breaks, changes of direction, invisible ones.
///
/// The joiners U+200C and U+200D stay: emoji and Persian need them.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A duration in at most six columns: three digits and a unit, or two units from a minute on.
pub(super) fn duration(nanos: u64) -> String {
    const MICRO: u64 = 1_000;
    const MILLI: u64 = 1_000 * MICRO;
    const SECOND: u64 = 1_000 * MILLI;
    match nanos {
        0..MICRO => format!("{nanos}ns"),
        // Up to where the next smaller unit would round to a thousand.
        MICRO..999_500 => three_digits(nanos, MICRO, "µs"),
        999_500..999_500_000 => three_digits(nanos, MILLI, "ms"),
        999_500_000..59_950_000_000 => three_digits(nanos, SECOND, "s"),
        _ => {
            let seconds = nanos.saturating_add(SECOND / 2) / SECOND;
            match (seconds / 60, seconds / 3_600, seconds / 86_400) {
                (minutes @ 0..60, ..) => format!("{minutes}m{:02}s", seconds % 60),
                (_, hours @ 0..100, _) => format!("{hours}h{:02}m", seconds / 60 % 60),
                (.., days) => format!("{days}d"),
            }
        }
    }
}

fn three_digits(nanos: u64, unit: u64, suffix: &str) -> String {
    let hundredths = (nanos * 100 + unit / 2) / unit;
    let tenths = (nanos * 10 + unit / 2) / unit;
    if hundredths < 1_000 {
        format!("{}.{:02}{suffix}", hundredths / 100, hundredths % 100)
    } else if tenths < 1_000 {
        format!("{}.{}{suffix}", tenths / 10, tenths % 10)
    } else {
        format!("{}{suffix}", (nanos + unit / 2) / unit)
    }
}

/// `part` of `whole` in at most four columns; nothing where the whole took no time.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = (u128::from(part) * 100 + u128::from(whole) / 2) / u128::from(whole);
    match percent {
        0 if part > 0 => "<1%".to_owned(),
        0..1_000 => format!("{percent}%"),
        _ => ">10×".to_owned(),
    }
}

/// `1 span`, `2 spans`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

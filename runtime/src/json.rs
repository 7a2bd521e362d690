//! JSON as it is written: into bytes, without a tree of it in between.
//!
//! Where a comma goes is told by what stands before; texts and numbers are `serde_json`'s.

use std::fmt::Display;
use std::io::Write as _;

/// JSON in the making.
#[derive(Debug, Default)]
pub(crate) struct Json(pub(crate) Vec<u8>);

impl Json {
    fn separate(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
    }

    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.0.push(b'{');
        members(self);
        self.0.push(b'}');
    }

    pub(crate) fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.separate();
        self.0.push(b'[');
        elements(self);
        self.0.push(b']');
    }

    /// An array of what there is.
    pub(crate) fn list<T>(&mut self, all: impl IntoIterator<Item = T>, element: impl Fn(&mut Self, T)) {
        self.array(|json| {
            for one in all {
                element(json, one);
            }
        });
    }

    /// The name of a member; its value follows.
    pub(crate) fn key(&mut self, key: &str) -> &mut Self {
        self.text(key);
        self.0.push(b':');
        self
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        // A `Vec` takes all that is written, and neither a text nor a number fails to be one.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    /// A text that needs no escapes: digits, say.
    pub(crate) fn plain(&mut self, text: impl Display) {
        self.separate();
        // A `Vec` takes all that is written.
        let _ = write!(self.0, "\"{text}\"");
    }

    pub(crate) fn whole(&mut self, number: u64) {
        self.separate();
        let _ = serde_json::to_writer(&mut self.0, &number);
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.separate();
        let _ = serde_json::to_writer(&mut self.0, &number);
    }

    pub(crate) fn truth(&mut self, truth: bool) {
        self.separate();
        self.0.extend_from_slice(if truth { b"true" } else { b"false" });
    }

    /// A number; JSON has none for the three that are no numbers, and OTLP says which texts they are.
    pub(crate) fn float(&mut self, number: f64) {
        if number.is_finite() {
            self.separate();
            let _ = serde_json::to_writer(&mut self.0, &number);
        } else {
            self.text(match number {
                f64::INFINITY => "Infinity",
                f64::NEG_INFINITY => "-Infinity",
                _ => "NaN",
            });
        }
    }
}

//! What a call has captured: typed as it came, in the form in which it travels.
//!
//! Stands between the attribute grammar and the recorders. A span that is over gives its `Fields` back empty, so
//! that the next one captures without an allocation.

use std::fmt::{Debug, Display};
use std::ops::Range;

use opentelemetry::{KeyValue, Value};
use traced_core::Keep;

use crate::record::{Fault, Parcel, Pieces, Slot};
use crate::value;

/// The attributes of one span, in the order they were captured, and how it failed.
#[derive(Debug)]
pub(crate) struct Fields {
    pieces: Pieces,
    /// Where texts are written before they have their place.
    text: String,
    /// How many attributes there are, may be, and were beyond that.
    count: u32,
    most: u32,
    dropped: u32,
}

/// How large a buffer may be to be kept for the next span.
const TEXT_KEPT: usize = 16 * 1024;
const SLOTS_KEPT: usize = 256;

impl Fields {
    pub(crate) const fn new() -> Self {
        Self { pieces: Pieces::new(), text: String::new(), count: 0, most: u32::MAX, dropped: 0 }
    }

    /// Forgets everything but the room.
    #[inline]
    pub(crate) fn clear(&mut self) {
        (self.count, self.dropped) = (0, 0);
        let Self { pieces, text, .. } = &*self;
        if !pieces.is_empty()
            || !text.is_empty()
            || pieces.slots.capacity() > SLOTS_KEPT
            || text.capacity() > TEXT_KEPT
        {
            self.empty();
        }
    }

    #[inline(never)]
    fn empty(&mut self) {
        self.pieces.clear();
        self.text.clear();
        if self.text.capacity() > TEXT_KEPT {
            self.text = String::new();
        }
        if self.pieces.slots.capacity() > SLOTS_KEPT {
            self.pieces = Pieces::new();
        }
    }

    /// Says how many attributes there may be; those beyond that go.
    #[inline]
    pub(crate) fn limit(&mut self, most: u32) {
        self.most = most;
        if self.count > most {
            self.cut();
        }
    }

    #[cold]
    fn cut(&mut self) {
        self.count = 0;
        let pieces = std::mem::take(&mut self.pieces);
        pieces.all().attributes().for_each(|attribute| self.push_other(attribute));
    }

    /// Whether there is room for one more attribute, which is taken or counted as dropped.
    #[inline]
    fn has_room(&mut self) -> bool {
        let has_room = self.count < self.most;
        if has_room {
            self.count += 1;
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        has_room
    }

    /// Those that found no room.
    #[inline]
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What travels.
    #[inline]
    pub(crate) fn pieces(&mut self) -> &mut Pieces {
        &mut self.pieces
    }

    #[inline]
    fn push(&mut self, slot: Slot) {
        if self.has_room() {
            self.pieces.slots.push(slot);
        }
    }

    /// Keeps a value whose key is only known now.
    pub(crate) fn push_other(&mut self, attribute: KeyValue) {
        if self.has_room() {
            self.pieces.push(Parcel::Attribute(Box::new(attribute)));
        }
    }

    fn written(&mut self, key: &'static str, write: impl FnOnce(&mut String)) {
        let part = self.write(write);
        if self.has_room() {
            self.pieces.write_text(key, &self.text[part.clone()]);
        }
        self.text.truncate(part.start);
    }

    /// Writes a text that is not an attribute's, and says where it stands.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.text.len();
        write(&mut self.text);
        start..self.text.len()
    }

    /// The text at a place.
    pub(crate) fn part(&self, part: &Range<usize>) -> &str {
        &self.text[part.clone()]
    }

    /// Keeps an error or a panic whose type is there for ever.
    pub(crate) fn push_fault(&mut self, error_type: &'static str, fault: &Fault) {
        let as_attribute = fault.fails && self.has_room();
        let text = |part: &Range<usize>| &self.text[part.clone()];
        let texts = (text(&fault.message), fault.stacktrace.as_ref().map(text));
        self.pieces.write_fault(error_type, texts, fault, as_attribute);
    }

    /// Everything captured, as OpenTelemetry has it; nothing of it stays.
    pub(crate) fn take(&mut self) -> Vec<KeyValue> {
        let taken = self.to_key_values();
        self.pieces.clear();
        self.count = 0;
        taken
    }

    /// A copy of everything captured, as OpenTelemetry has it.
    pub(crate) fn to_key_values(&self) -> Vec<KeyValue> {
        self.pieces.all().attributes().collect()
    }
}

impl Keep for Fields {
    #[inline]
    fn bool(&mut self, key: &'static str, value: bool) {
        self.push(Slot::Bool { key, value });
    }

    #[inline]
    fn integer(&mut self, key: &'static str, value: i64) {
        self.push(Slot::I64 { key, value });
    }

    #[inline]
    fn float(&mut self, key: &'static str, value: f64) {
        self.push(Slot::F64 { key, value });
    }

    #[inline]
    fn text(&mut self, key: &'static str, value: &str) {
        self.whole(key, value::cut(value));
    }

    #[inline]
    fn whole(&mut self, key: &'static str, value: &str) {
        if self.has_room() {
            self.pieces.write_text(key, value);
        }
    }

    #[inline]
    fn fixed(&mut self, key: &'static str, value: &'static str) {
        self.push(Slot::Static { key, value: value::cut(value) });
    }

    fn display(&mut self, key: &'static str, value: &dyn Display) {
        self.written(key, |text| value::write_display(text, value));
    }

    fn debug(&mut self, key: &'static str, value: &dyn Debug) {
        self.written(key, |text| value::write_debug(text, value));
    }

    fn value(&mut self, key: &'static str, value: Value) {
        match value {
            Value::Bool(bool) => self.bool(key, bool),
            Value::I64(integer) => self.integer(key, integer),
            Value::F64(float) => self.float(key, float),
            Value::String(string) => self.whole(key, string.as_str()),
            other => self.push_other(KeyValue::new(key, other)),
        }
    }
}

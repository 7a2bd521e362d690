//! A finished span as it travels: one cache line for itself, one for each attribute, and texts in line.
//!
//! What is constant about its call site stays there; a short text, a number or a static string needs no allocation on the
//! way. A record is its head and the slots that follow it, and is always moved whole. Slots are plain bytes and are copied;
//! what is more than that travels beside them as a parcel.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, SpanContext, SpanId, Status, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use traced_core::Callsite;

use super::clock::{Calendar, Moment, Ticks};
use super::extra::{self, Extra};
use super::recording::Fault;
use super::seat::whole;
use crate::callsite::Site as _;
use crate::value;

/// One piece of a record.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(crate) enum Slot {
    /// Stands for a parcel.
    #[default]
    Parcel,
    /// The head of a traced call's span; as many slots as it says belong to it.
    Span {
        site: &'static Callsite,
        trace: [u64; 2],
        id: u64,
        parent: u64,
        started: Ticks,
        ended: Ticks,
        following: u32,
        flags: TraceFlags,
        parent_is_remote: bool,
        placed: bool,
    },
    Bool {
        key: &'static str,
        value: bool,
    },
    I64 {
        key: &'static str,
        value: i64,
    },
    F64 {
        key: &'static str,
        value: f64,
    },
    Static {
        key: &'static str,
        value: &'static str,
    },
    /// A text and its beginning; the rest is in the slots behind.
    Text {
        key: &'static str,
        length: u32,
        start: [u8; FIRST],
    },
    More([u8; NEXT]),
    /// An error or a panic by which the call ended, and the beginning of its message; the rest, and its stacktrace, are in the
    /// slots behind.
    Fault {
        error_type: &'static str,
        message: u32,
        stacktrace: u32,
        start: [u8; FAULT],
        has_stacktrace: bool,
        as_event: bool,
        as_status: bool,
        as_attribute: bool,
    },
    /// A span that other code made; all of it is in a parcel.
    Whole {
        is_root: bool,
    },
}

/// What is no plain bytes. There is one for each slot that says so, in their order.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// An attribute that fits nowhere else.
    Attribute(Box<KeyValue>),
    Extra(Box<Extra>),
    Whole(Box<SpanData>),
}

/// Slots and their parcels.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) slots: Vec<Slot>,
    pub(crate) parcels: Vec<Parcel>,
}

/// A record, or what is not yet read of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    slots: &'a [Slot],
    parcels: &'a [Parcel],
}

/// The head of a record. A slot has its parts and not itself, to be no larger than it must.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) site: &'static Callsite,
    pub(crate) trace: [u64; 2],
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) started: Ticks,
    pub(crate) flags: TraceFlags,
    pub(crate) parent_is_remote: bool,
    /// Whether the span says where its function stands.
    pub(crate) placed: bool,
}

/// How many bytes of a text are in its slot, in each slot behind, and in the slot of a failure: what fills a cache line.
const FIRST: usize = 40;
const NEXT: usize = 63;
const FAULT: usize = 35;
/// A longer text travels on its own.
const IN_LINE: usize = 1024;
/// The texts of an error are longer than most.
pub(crate) const FAULT_IN_LINE: usize = 16 * 1024;

const _: () = assert!(size_of::<Slot>() == 64, "a slot is a cache line");

impl Head {
    /// The head of so many slots, of a span that is over by then.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a slot is made where it stays")]
    pub(crate) fn slot(self, ended: Ticks, following: usize) -> Slot {
        let Self { site, trace, id, parent, started, flags, parent_is_remote, placed } = self;
        let following = u32::try_from(following).unwrap_or(u32::MAX);
        Slot::Span { site, trace, id, parent, started, ended, following, flags, parent_is_remote, placed }
    }
}

impl Slot {
    /// The head of a span that other code made.
    pub(crate) fn whole(span: &SpanData) -> Self {
        Self::Whole { is_root: span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote }
    }

    /// Whether the span that begins here has no parent in this process.
    pub(crate) fn is_root(&self) -> bool {
        match self {
            Self::Span { parent, parent_is_remote, .. } => *parent == 0 || *parent_is_remote,
            Self::Whole { is_root } => *is_root,
            _ => false,
        }
    }

    /// How many slots the record has that begins here.
    pub(crate) fn record(&self) -> usize {
        match self {
            Self::Span { following, .. } => 1 + *following as usize,
            _ => 1,
        }
    }

    /// Whether it stands for a parcel.
    #[inline]
    pub(crate) fn has_parcel(&self) -> bool {
        matches!(self, Self::Parcel | Self::Whole { .. })
    }
}

impl Parcel {
    /// About how many bytes it holds.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Attribute(attribute) => extra::bytes(attribute),
            Self::Extra(extra) => extra.bytes(),
            Self::Whole(span) => extra::span_bytes(span),
        }
    }
}

impl Pieces {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), parcels: Vec::new() }
    }

    /// Adds something that travels beside.
    pub(crate) fn push(&mut self, parcel: Parcel) {
        self.slots.push(Slot::Parcel);
        self.parcels.push(parcel);
    }

    /// Adds a span that other code made.
    pub(crate) fn push_whole(&mut self, span: SpanData) {
        self.slots.push(Slot::whole(&span));
        self.parcels.push(Parcel::Whole(Box::new(span)));
    }

    /// Adds all of another's, which stays empty.
    pub(crate) fn append(&mut self, behind: &mut Self) {
        self.slots.append(&mut behind.slots);
        self.parcels.append(&mut behind.parcels);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Where there is a parcel, there is its slot.
        self.slots.is_empty()
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.parcels.clear();
    }

    /// What is in it, to be read.
    pub(crate) fn all(&self) -> Record<'_> {
        Record { slots: &self.slots, parcels: &self.parcels }
    }

    /// Writes an attribute that is a text.
    #[inline]
    pub(crate) fn write_text(&mut self, key: &'static str, text: &str) {
        if text.len() > IN_LINE {
            self.push(Parcel::Attribute(Box::new(KeyValue::new(key, text.to_owned()))));
            return;
        }
        let (first, rest) = text.as_bytes().split_at(text.len().min(FIRST));
        self.slots.push(Slot::Text { key, length: length(text), start: [0; FIRST] });
        if let Some(Slot::Text { start, .. }) = self.slots.last_mut() {
            start[..first.len()].copy_from_slice(first);
        }
        self.write_bytes(rest);
    }

    /// Writes an error or a panic: its type, and its message and stacktrace.
    pub(crate) fn write_fault(
        &mut self,
        error_type: &'static str,
        (message, stacktrace): (&str, Option<&str>),
        fault: &Fault,
        as_attribute: bool,
    ) {
        let (first, rest) = message.as_bytes().split_at(message.len().min(FAULT));
        self.slots.push(Slot::Fault {
            error_type,
            message: length(message),
            stacktrace: stacktrace.map_or(0, length),
            start: [0; FAULT],
            has_stacktrace: stacktrace.is_some(),
            as_event: fault.is_new,
            as_status: fault.fails,
            as_attribute,
        });
        if let Some(Slot::Fault { start, .. }) = self.slots.last_mut() {
            start[..first.len()].copy_from_slice(first);
        }
        self.write_bytes(rest);
        self.write_bytes(stacktrace.unwrap_or_default().as_bytes());
    }

    #[inline]
    fn write_bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.write_more(bytes);
        }
    }

    #[inline(never)]
    fn write_more(&mut self, bytes: &[u8]) {
        self.slots.extend(bytes.chunks(NEXT).map(|chunk| Slot::More(padded(chunk))));
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

impl<'a> Record<'a> {
    /// Splits the first record off what are many.
    pub(crate) fn split_first(self) -> Option<(Self, Self)> {
        let (slots, slots_behind) = self.slots.split_at_checked(self.slots.first()?.record())?;
        let count = match self.parcels {
            [] => 0,
            _ => slots.iter().filter(|slot| slot.has_parcel()).count(),
        };
        let (parcels, parcels_behind) = self.parcels.split_at_checked(count)?;
        Some((Self { slots, parcels }, Self { slots: slots_behind, parcels: parcels_behind }))
    }

    fn slot(&mut self) -> Option<&'a Slot> {
        let (slot, behind) = self.slots.split_first()?;
        self.slots = behind;
        Some(slot)
    }

    fn parcel(&mut self) -> Option<&'a Parcel> {
        let (parcel, behind) = self.parcels.split_first()?;
        self.parcels = behind;
        Some(parcel)
    }

    /// A text that begins in `start` and goes on behind.
    fn text(&mut self, length: u32, start: &[u8]) -> String {
        let length = length as usize;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&start[..length.min(start.len())]);
        while bytes.len() < length
            && let Some((Slot::More(more), behind)) = self.slots.split_first()
        {
            bytes.extend_from_slice(&more[..(length - bytes.len()).min(NEXT)]);
            self.slots = behind;
        }
        // It was a text when it was cut into pieces.
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// The attributes in it.
    pub(crate) fn attributes(mut self) -> impl Iterator<Item = KeyValue> {
        std::iter::from_fn(move || {
            loop {
                let slot = self.slot()?;
                if let Some(attribute) = self.attribute(slot) {
                    return Some(attribute);
                }
                if let Slot::Parcel = slot
                    && let Some(Parcel::Attribute(attribute)) = self.parcel()
                {
                    return Some((**attribute).clone());
                }
            }
        })
    }

    /// What `slot` and those behind it hold, if that is an attribute without a parcel.
    fn attribute(&mut self, slot: &Slot) -> Option<KeyValue> {
        Some(match slot {
            Slot::Bool { key, value } => KeyValue::new(*key, *value),
            Slot::I64 { key, value } => KeyValue::new(*key, *value),
            Slot::F64 { key, value } => KeyValue::new(*key, *value),
            Slot::Static { key, value } => KeyValue::new(*key, *value),
            Slot::Text { key, length, start } => KeyValue::new(*key, self.text(*length, start)),
            Slot::Fault { error_type, as_attribute: true, .. } => error_attribute(error_type),
            _ => return None,
        })
    }
}

/// Reads the span of a record.
pub(crate) fn read(mut record: Record<'_>, calendar: &Calendar, spans: &mut Vec<SpanData>) {
    match record.slot() {
        Some(head @ Slot::Span { .. }) => read_span(head, record, calendar, spans),
        Some(Slot::Whole { .. }) => {
            if let Some(Parcel::Whole(span)) = record.parcel() {
                spans.push((**span).clone());
            }
        }
        _ => {}
    }
}

fn read_span(head: &Slot, mut record: Record<'_>, calendar: &Calendar, spans: &mut Vec<SpanData>) {
    let &Slot::Span { site, trace, id, parent, started, ended, flags, parent_is_remote, placed, .. } = head
    else {
        return;
    };
    let start_time = calendar.time(started);
    // Written where it stays: a span is some four hundred bytes, which `push` would move.
    spans.extend(std::iter::once_with(|| SpanData {
        span_context: SpanContext::new(whole(trace), SpanId::from(id), flags, false, TraceState::NONE),
        parent_span_id: SpanId::from(parent),
        parent_span_is_remote: parent_is_remote,
        span_kind: site.kind.clone(),
        name: site.name.into(),
        start_time,
        end_time: start_time + calendar.between(started, ended),
        attributes: Vec::with_capacity(record.slots.len() + if placed { 3 } else { 0 }),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: site.scope().clone(),
    }));
    let Some(span) = spans.last_mut() else { return };
    while let Some(slot) = record.slot() {
        match slot {
            Slot::Fault { .. } => read_fault(span, slot, &mut record),
            Slot::Parcel => match record.parcel() {
                Some(Parcel::Attribute(attribute)) => span.attributes.push((**attribute).clone()),
                Some(Parcel::Extra(extra)) => {
                    (**extra).clone().write(span, Moment::Read(started), calendar);
                }
                Some(Parcel::Whole(_)) | None => {}
            },
            slot => span.attributes.extend(record.attribute(slot)),
        }
    }
    if placed {
        span.attributes.extend(site.code_attributes());
    }
}

fn read_fault(span: &mut SpanData, slot: &Slot, behind: &mut Record<'_>) {
    let &Slot::Fault {
        error_type,
        message,
        stacktrace,
        ref start,
        has_stacktrace,
        as_event,
        as_status,
        as_attribute,
    } = slot
    else {
        return;
    };
    if as_attribute {
        span.attributes.push(error_attribute(error_type));
    }
    let message = behind.text(message, start);
    let stacktrace = has_stacktrace.then(|| behind.text(stacktrace, &[]));
    if as_event {
        let exception = crate::exception::attributes(error_type.into(), message.clone(), stacktrace);
        // It is what ended the span.
        span.events.events.push(Event::new("exception", span.end_time, exception, 0));
    }
    if as_status {
        extra::set_status(span, Status::error(message));
    }
}

fn error_attribute(error_type: &'static str) -> KeyValue {
    KeyValue::new("error.type", value::cut(error_type))
}

//! A finished span as it travels: one cache line for itself, one for each attribute, and texts in line.
//!
//! What is constant about its call site stays there; a short text, a number or a static string needs no allocation on the
//! way. A record is its head and the slots that follow it, and is always moved whole.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, SpanContext, SpanId, Status, TraceFlags, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::clock::{self, Calendar, Ticks};
use super::extra::{self, Extra};
use super::recording::Fault;
use super::seat::whole;
use crate::callsite::Callsite;

/// One piece of a record.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) enum Slot {
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
    /// An attribute that fits nowhere else.
    Other(Box<KeyValue>),
    /// An error or a panic; its texts are in the slots behind.
    Fault {
        at: Ticks,
        error_type: &'static str,
        message: u32,
        stacktrace: Option<u32>,
        as_event: bool,
        as_status: bool,
    },
    Extra(Box<Extra>),
    /// A span that other code made.
    Whole(Box<SpanData>),
}

/// The head of a record. A slot has its parts and not itself, to be no larger than it must.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) site: &'static Callsite,
    pub(crate) trace: [u64; 2],
    pub(crate) id: u64,
    pub(crate) parent: u64,
    pub(crate) started: Ticks,
    pub(crate) ended: Ticks,
    pub(crate) flags: TraceFlags,
    pub(crate) parent_is_remote: bool,
    /// Whether the span says where its function stands.
    pub(crate) placed: bool,
}

const FIRST: usize = 40;
const NEXT: usize = 63;
/// A longer text travels on its own.
const IN_LINE: usize = 1024;
/// The texts of an error are longer than most.
pub(crate) const FAULT_IN_LINE: usize = 16 * 1024;

const _: () = assert!(size_of::<Slot>() == 64, "a slot is a cache line");

impl Head {
    /// The head of so many slots.
    #[inline]
    pub(crate) fn slot(self, following: usize) -> Slot {
        let Self { site, trace, id, parent, started, ended, flags, parent_is_remote, placed } = self;
        let following = u32::try_from(following).unwrap_or(u32::MAX);
        Slot::Span { site, trace, id, parent, started, ended, following, flags, parent_is_remote, placed }
    }
}

impl Slot {
    /// How many spans begin here: one or none.
    pub(crate) fn heads(&self) -> usize {
        usize::from(matches!(self, Self::Span { .. } | Self::Whole(_)))
    }

    /// Whether the span that begins here has no parent in this process; `None` where none begins.
    pub(crate) fn is_root(&self) -> Option<bool> {
        match self {
            Self::Span { parent, parent_is_remote, .. } => Some(*parent == 0 || *parent_is_remote),
            Self::Whole(span) => Some(span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote),
            _ => None,
        }
    }

    /// How many slots the record has that begins here.
    pub(crate) fn record(&self) -> usize {
        match self {
            Self::Span { following, .. } => 1 + *following as usize,
            _ => 1,
        }
    }

    /// Whether it holds bytes elsewhere.
    #[inline]
    pub(crate) fn has_heap(&self) -> bool {
        matches!(self, Self::Other(_) | Self::Extra(_) | Self::Whole(_))
    }

    /// About how many bytes it holds elsewhere.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Other(attribute) => extra::bytes(attribute),
            Self::Extra(extra) => extra.bytes(),
            Self::Whole(span) => extra::span_bytes(span),
            _ => 0,
        }
    }
}

/// Writes an attribute that is a text.
#[inline]
pub(crate) fn write_text(record: &mut Vec<Slot>, key: &'static str, text: &str) {
    if text.len() > IN_LINE {
        record.push(Slot::Other(Box::new(KeyValue::new(key, text.to_owned()))));
        return;
    }
    let (first, rest) = text.as_bytes().split_at(text.len().min(FIRST));
    record.push(Slot::Text { key, length: length(text), start: padded(first) });
    write_bytes(record, rest);
}

/// Writes an error or a panic: its type, and its message and stacktrace.
pub(crate) fn write_fault(
    record: &mut Vec<Slot>,
    at: Ticks,
    error_type: &'static str,
    (message, stacktrace): (&str, Option<&str>),
    fault: &Fault,
) {
    record.push(Slot::Fault {
        at,
        error_type,
        message: length(message),
        stacktrace: stacktrace.map(length),
        as_event: fault.is_new,
        as_status: fault.fails,
    });
    write_bytes(record, message.as_bytes());
    write_bytes(record, stacktrace.unwrap_or_default().as_bytes());
}

fn write_bytes(record: &mut Vec<Slot>, bytes: &[u8]) {
    record.extend(bytes.chunks(NEXT).map(|chunk| Slot::More(padded(chunk))));
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

/// Reads the span of a record.
pub(crate) fn read(record: &[Slot], calendar: &Calendar, spans: &mut Vec<SpanData>) {
    match record.split_first() {
        Some((
            &Slot::Span {
                site,
                trace,
                id,
                parent,
                started,
                ended,
                following,
                flags,
                parent_is_remote,
                placed,
            },
            behind,
        )) => {
            let head = Head { site, trace, id, parent, started, ended, flags, parent_is_remote, placed };
            read_span(&head, behind.get(..following as usize).unwrap_or_default(), calendar, spans);
        }
        Some((Slot::Whole(span), _)) => spans.push((**span).clone()),
        _ => {}
    }
}

fn read_span(head: &Head, mut following: &[Slot], calendar: &Calendar, spans: &mut Vec<SpanData>) {
    let site = head.site;
    let start_time = calendar.time(head.started);
    // Where it stays from the start: a span is some four hundred bytes.
    spans.push(SpanData {
        span_context: SpanContext::new(
            whole(head.trace),
            SpanId::from(head.id),
            head.flags,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::from(head.parent),
        parent_span_is_remote: head.parent_is_remote,
        span_kind: site.kind.clone(),
        name: site.name.into(),
        start_time,
        end_time: start_time + calendar.between(head.started, head.ended),
        attributes: Vec::with_capacity(following.len() + if head.placed { 3 } else { 0 }),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: site.scope().clone(),
    });
    let Some(span) = spans.last_mut() else { return };
    while let Some((slot, behind)) = following.split_first() {
        following = match slot {
            Slot::Fault { .. } => read_fault(span, slot, behind, head.started, calendar),
            Slot::Extra(extra) => {
                read_extra(span, (**extra).clone());
                behind
            }
            attribute => {
                let (attribute, behind) = read_attribute(attribute, behind);
                span.attributes.extend(attribute);
                behind
            }
        };
    }
    if head.placed {
        span.attributes.extend(site.code_attributes());
    }
}

/// The attributes among slots.
pub(crate) fn attributes(mut slots: &[Slot]) -> impl Iterator<Item = KeyValue> {
    std::iter::from_fn(move || {
        loop {
            let (attribute, behind) = read_attribute(slots.split_first()?.0, &slots[1..]);
            slots = behind;
            if attribute.is_some() {
                return attribute;
            }
        }
    })
}

/// Reads an attribute, if it is one, and gives what is behind all of it.
fn read_attribute<'a>(slot: &Slot, behind: &'a [Slot]) -> (Option<KeyValue>, &'a [Slot]) {
    let attribute = match slot {
        Slot::Bool { key, value } => KeyValue::new(*key, *value),
        Slot::I64 { key, value } => KeyValue::new(*key, *value),
        Slot::F64 { key, value } => KeyValue::new(*key, *value),
        Slot::Static { key, value } => KeyValue::new(*key, *value),
        Slot::Other(attribute) => (**attribute).clone(),
        Slot::Text { key, length, start } => {
            let (text, behind) = read_text(*length, start, behind);
            return (Some(KeyValue::new(*key, text)), behind);
        }
        Slot::Span { .. } | Slot::Whole(_) | Slot::More(_) | Slot::Fault { .. } | Slot::Extra(_) => {
            return (None, behind);
        }
    };
    (Some(attribute), behind)
}

fn read_fault<'a>(
    span: &mut SpanData,
    slot: &Slot,
    behind: &'a [Slot],
    started: Ticks,
    calendar: &Calendar,
) -> &'a [Slot] {
    let &Slot::Fault { at, error_type, message, stacktrace, as_event, as_status } = slot else {
        return behind;
    };
    let (message, behind) = read_text(message, &[], behind);
    let (stacktrace, behind) = match stacktrace {
        None => (None, behind),
        Some(length) => {
            let (text, behind) = read_text(length, &[], behind);
            (Some(text), behind)
        }
    };
    if as_event {
        let exception = crate::exception::attributes(error_type.into(), message.clone(), stacktrace);
        let at = span.start_time + calendar.between(started, at);
        span.events.events.push(Event::new("exception", at, exception, 0));
    }
    if as_status {
        set_status(span, Status::error(message));
    }
    behind
}

fn read_extra(span: &mut SpanData, extra: Extra) {
    let Extra { name, attributes, mut events, links, status, trace_state, dropped } = extra;
    if let Some(name) = name {
        span.name = name;
    }
    span.attributes.extend(attributes);
    for event in &mut events {
        event.timestamp = clock::within(event.timestamp, span.start_time, span.end_time);
    }
    // What others wrote, they wrote before the call failed.
    span.events.events.splice(0..0, events);
    span.events.dropped_count = dropped.events;
    span.links.links = links;
    span.links.dropped_count = dropped.links;
    span.dropped_attributes_count = dropped.attributes;
    set_status(span, status);
    if trace_state != TraceState::NONE {
        let context = &span.span_context;
        let (trace, id, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
        span.span_context = SpanContext::new(trace, id, flags, false, trace_state);
    }
}

fn set_status(span: &mut SpanData, status: Status) {
    if status > span.status {
        span.status = status;
    }
}

/// A text that begins in `start` and goes on behind.
fn read_text<'a>(length: u32, start: &[u8], mut behind: &'a [Slot]) -> (String, &'a [Slot]) {
    let length = length as usize;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&start[..length.min(start.len())]);
    while bytes.len() < length
        && let Some((Slot::More(more), rest)) = behind.split_first()
    {
        bytes.extend_from_slice(&more[..(length - bytes.len()).min(NEXT)]);
        behind = rest;
    }
    // It was a text when it was cut into pieces.
    (String::from_utf8(bytes).unwrap_or_default(), behind)
}

//! What few spans have: a name of their own, events, links, a status, attributes set from elsewhere.
//!
//! It is filled by whoever has the span, within the limits, and looked at once, when the span is over.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Link, SpanContext, Status, TraceState};
use opentelemetry_sdk::trace::{SpanData, SpanLimits};

use super::clock::{self, Calendar, Moment};

/// The rare parts of a span.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) events: Vec<Noted>,
    pub(crate) links: Vec<Link>,
    pub(crate) status: Status,
    pub(crate) trace_state: TraceState,
    pub(crate) dropped: Dropped,
}

/// An event, until it is known where its moment is in the calendar.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) at: Moment,
    pub(crate) name: Cow<'static, str>,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) dropped: u32,
}

/// What found no room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dropped {
    pub(crate) attributes: u32,
    pub(crate) events: u32,
    pub(crate) links: u32,
}

/// Cuts a list, and says how much was cut off.
fn cut<T>(list: &mut Vec<T>, most: u32) -> u32 {
    let over = list.len().saturating_sub(most as usize);
    list.truncate(most as usize);
    u32::try_from(over).unwrap_or(u32::MAX)
}

impl Extra {
    pub(crate) fn attribute(&mut self, attribute: KeyValue, limits: &SpanLimits) {
        self.attributes.push(attribute);
        self.dropped.attributes += cut(&mut self.attributes, limits.max_attributes_per_span);
    }

    pub(crate) fn event(&mut self, mut event: Noted, limits: &SpanLimits) {
        event.dropped += cut(&mut event.attributes, limits.max_attributes_per_event);
        self.events.push(event);
        self.dropped.events += cut(&mut self.events, limits.max_events_per_span);
    }

    pub(crate) fn link(&mut self, mut link: Link, limits: &SpanLimits) {
        link.dropped_attributes_count += cut(&mut link.attributes, limits.max_attributes_per_link);
        self.links.push(link);
        self.dropped.links += cut(&mut self.links, limits.max_links_per_span);
    }

    /// `Ok` stands above errors, and errors above nothing.
    pub(crate) fn status(&mut self, status: Status) {
        if status > self.status {
            self.status = status;
        }
    }

    /// Takes over what `later` says, which was collected within the same limits.
    pub(crate) fn merge(&mut self, later: Self, limits: &SpanLimits) {
        if later.name.is_some() {
            self.name = later.name;
        }
        for attribute in later.attributes {
            self.attribute(attribute, limits);
        }
        for event in later.events {
            self.event(event, limits);
        }
        for link in later.links {
            self.link(link, limits);
        }
        self.status(later.status);
        self.dropped.attributes += later.dropped.attributes;
        self.dropped.events += later.dropped.events;
        self.dropped.links += later.dropped.links;
    }

    /// Writes all of it to a span that started then.
    pub(crate) fn write(self, span: &mut SpanData, started: Moment, calendar: &Calendar) {
        let Self { name, attributes, events, links, status, trace_state, dropped } = self;
        if let Some(name) = name {
            span.name = name;
        }
        span.attributes.extend(attributes);
        let events = events.into_iter().map(|Noted { at, name, attributes, dropped }| {
            let at = clock::within(calendar.when_since(started, at), span.start_time, span.end_time);
            Event::new(name, at, attributes, dropped)
        });
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

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        let attributes = |list: &[KeyValue]| list.iter().map(bytes).sum::<usize>();
        size_of::<Self>()
            + attributes(&self.attributes)
            + self.events.iter().map(|event| 96 + attributes(&event.attributes)).sum::<usize>()
            + self.links.iter().map(|link| 96 + attributes(&link.attributes)).sum::<usize>()
    }
}

pub(crate) fn set_status(span: &mut SpanData, status: Status) {
    if status > span.status {
        span.status = status;
    }
}

/// About how many bytes a span holds, itself included.
pub(crate) fn span_bytes(span: &SpanData) -> usize {
    let attributes = |list: &[KeyValue]| list.iter().map(bytes).sum::<usize>();
    size_of::<SpanData>()
        + attributes(&span.attributes)
        + span.events.iter().map(|event| 96 + attributes(&event.attributes)).sum::<usize>()
        + span.links.iter().map(|link| 96 + attributes(&link.attributes)).sum::<usize>()
}

/// About how many bytes an attribute holds.
pub(crate) fn bytes(attribute: &KeyValue) -> usize {
    use opentelemetry::{Array, Value};
    let value = match &attribute.value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::Bool(list)) => list.len(),
        Value::Array(Array::I64(list)) => 8 * list.len(),
        Value::Array(Array::F64(list)) => 8 * list.len(),
        Value::Array(Array::String(list)) => list.iter().map(|text| 24 + text.as_str().len()).sum(),
        _ => 0,
    };
    size_of::<KeyValue>() + attribute.key.as_str().len() + value
}

/// The methods of `Span` that write: the same for whoever has a `write` that takes what is to be done to its `Extra`.
macro_rules! writing_methods {
    () => {
        fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
        where
            T: Into<Cow<'static, str>>,
        {
            let event = Noted { at: Moment::of(timestamp), name: name.into(), attributes, dropped: 0 };
            self.write(|extra, limits| extra.event(event, limits));
        }

        fn set_attribute(&mut self, attribute: KeyValue) {
            self.write(|extra, limits| extra.attribute(attribute, limits));
        }

        fn set_status(&mut self, status: Status) {
            self.write(|extra, _| extra.status(status));
        }

        fn update_name<T>(&mut self, name: T)
        where
            T: Into<Cow<'static, str>>,
        {
            self.write(|extra, _| extra.name = Some(name.into()));
        }

        fn add_link(&mut self, to: SpanContext, attributes: Vec<KeyValue>) {
            self.write(|extra, limits| extra.link(Link::new(to, attributes, 0), limits));
        }
    };
}
pub(super) use writing_methods;

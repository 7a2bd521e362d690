//! Events of `tracing`, recorded in the span in which they happen.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use opentelemetry::trace::TraceContextExt;
use opentelemetry::{KeyValue, Value};
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, LevelFilter, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::context;
use crate::outcome::write_chain;
use crate::value::{self, Attribute};

/// A layer of `tracing-subscriber` that records each event of `tracing` as an event of the span it happens in.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// #[traced::traced]
/// fn charge() {
///     tracing::info!(amount = 7, "card charged");
///     tracing::debug!("not kept");
/// }
///
/// let subscriber = tracing_subscriber::registry().with(traced::logs::Events::new());
/// let ((), trace) = traced::testing::capture(|| tracing::subscriber::with_default(subscriber, charge));
/// let event = trace.span("charge").event("card charged");
/// assert_eq!(event.attribute("amount"), 7);
/// assert_eq!(event.attribute("level"), "INFO");
/// assert!(!trace.span("charge").has_event("not kept"));
/// ```
///
/// The message is the event's name, or, without one, what `tracing` calls the event; `level` and `target` are attributes, and
/// so are the fields, each by its type. Texts are cut, and events and their attributes counted, as
/// [`max_value_bytes`](crate::Builder::max_value_bytes) and [`limits`](crate::Builder::limits) say.
///
/// Only what happens inside a span that records is looked at. What OpenTelemetry says of itself, and what happens while
/// telemetry is suppressed, is left out: an exporter that logs would have itself to export. Spans of `tracing` are not
/// recorded.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing before it is added to a subscriber"]
pub struct Events {
    level: LevelFilter,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// Records events of the level `INFO` and above.
    pub fn new() -> Self {
        Self { level: LevelFilter::INFO }
    }

    /// Records events of that level and above. It is for this layer alone; a filter of the subscriber's comes before it.
    pub fn level(self, level: impl Into<LevelFilter>) -> Self {
        Self { level: level.into() }
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > self.level || metadata.target().starts_with("opentelemetry") {
            return;
        }
        let Some(cx) = context::current() else { return };
        let span = cx.span();
        if cx.is_telemetry_suppressed() || !span.is_recording() {
            return;
        }
        let mut fields = Fields {
            message: None,
            target: None,
            attributes: vec![KeyValue::new("level", metadata.level().as_str())],
        };
        event.record(&mut fields);
        let Fields { message, target, mut attributes } = fields;
        attributes.insert(1, KeyValue::new("target", target.unwrap_or_else(|| metadata.target().to_owned())));
        let name = message.map_or(Cow::Borrowed(metadata.name()), Cow::Owned);
        span.add_event(name, attributes);
    }
}

/// The fields of an event, as attributes.
struct Fields {
    message: Option<String>,
    /// What a record of `log` that came over to `tracing` has instead of the event's.
    target: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Attribute) {
        if let Some(value) = value.value() {
            self.put_value(field, value);
        }
    }

    fn put_value(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = Some(value.as_str().into_owned()),
            "log.target" => self.target = Some(value.as_str().into_owned()),
            // Where such a record stood in the code, as `tracing-log` tells it.
            "log.module_path" | "log.file" | "log.line" => {}
            name => self.attributes.push(KeyValue::new(name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = String::new();
        value::write_display(&mut text, &value);
        let Some(source) = value.source() else { return self.put(field, text) };
        let mut chain = String::new();
        write_chain(&mut chain, &text, source);
        self.put(field, chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A message, and what `%` marks, comes this way as well, and writes itself plainly.
        let mut text = String::new();
        value::write_debug(&mut text, &value);
        self.put_value(field, text.into());
    }
}

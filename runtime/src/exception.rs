//! An exception as telemetry: a span event, a log record, or both.
//!
//! OpenTelemetry is moving exceptions from span events to logs; `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` is its
//! switch, read once at set-up. The logs need a logger provider, which only the program can give.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{SpanContext, SpanRef, Status};
use opentelemetry::{Array, KeyValue, Value};

use crate::scrub::Scrubber;

/// One exception: what its event or record says.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    pub(crate) error_type: Cow<'static, str>,
    pub(crate) message: String,
    /// The causes of an error, the place of a panic.
    pub(crate) stacktrace: Option<String>,
}

/// Writes the attributes of an exception of a span as a log record.
type Log = Box<dyn Fn(&SpanContext, Vec<KeyValue>) + Send + Sync>;

/// How exceptions are recorded.
#[derive(Default)]
pub(crate) struct Exceptions {
    signal: Signal,
    log: Option<Log>,
}

/// Whether what the environment says of exceptions was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heeded {
    Yes,
    /// It asks for logs, and there is nowhere to log.
    NoLogs,
    /// It says nothing of exceptions.
    Strange,
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    #[default]
    Event,
    Log,
    Both,
}

impl fmt::Debug for Exceptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exceptions").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl Exceptions {
    /// Gives the logs somewhere to go.
    pub(crate) fn log_to<P>(&mut self, provider: &P)
    where
        P: LoggerProvider,
        P::Logger: Send + Sync + 'static,
    {
        let logger = provider.logger("traced");
        self.log = Some(Box::new(move |span, attributes| {
            let mut record = logger.create_log_record();
            record.set_event_name("exception");
            record.set_severity_number(Severity::Error);
            record.set_severity_text("ERROR");
            record.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
            record.add_attributes(
                attributes.into_iter().map(|attribute| (attribute.key, any(attribute.value))),
            );
            logger.emit(record);
        }));
    }

    /// Takes out of log records what is to be taken out; span events are scrubbed on their own way.
    pub(crate) fn scrubbed(mut self, scrubber: Arc<Scrubber>) -> Self {
        self.log = self.log.map(|log| -> Log {
            Box::new(move |span, attributes| {
                log(span, attributes.into_iter().map(|attribute| scrubber.shown(attribute)).collect());
            })
        });
        self
    }

    /// Does what the environment variable says, or says why not.
    pub(crate) fn read(mut self, opt_in: &str) -> (Self, Heeded) {
        // The variable is a list shared by conventions, of which unknown ones are to be ignored.
        let mut words = opt_in.split(',').map(str::trim);
        let signal = words.find_map(|word| match word {
            "logs" => Some(Signal::Log),
            "logs/dup" => Some(Signal::Both),
            _ => None,
        });
        match signal {
            None => (self, Heeded::Strange),
            Some(_) if self.log.is_none() => (self, Heeded::NoLogs),
            Some(signal) => {
                self.signal = signal;
                (self, Heeded::Yes)
            }
        }
    }

    /// What becomes of exceptions, in words.
    pub(crate) fn name(&self) -> &'static str {
        match self.signal {
            Signal::Event => "span events",
            Signal::Log => "log records",
            Signal::Both => "span events and log records",
        }
    }

    /// Whether exceptions are span events and nothing else.
    pub(crate) fn are_events(&self) -> bool {
        self.signal == Signal::Event
    }

    /// Writes the log record of an exception, if there is to be one, and says whether there is to be an event.
    pub(crate) fn log(&self, span: &SpanContext, exception: &Exception) -> bool {
        if let (Signal::Log | Signal::Both, Some(log)) = (self.signal, &self.log) {
            let Exception { error_type, message, stacktrace } = exception.clone();
            log(span, attributes(error_type, message, stacktrace));
        }
        self.signal != Signal::Log
    }

    /// Records one exception of a span that is in a context.
    pub(crate) fn record(&self, span: &SpanRef<'_>, exception: Exception) {
        if self.log(span.span_context(), &exception) {
            let Exception { error_type, message, stacktrace } = exception;
            span.add_event("exception", attributes(error_type, message, stacktrace));
        }
    }
}

/// The attributes of an exception.
pub(crate) fn attributes(
    error_type: Cow<'static, str>,
    message: String,
    stacktrace: Option<String>,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(3);
    attributes.push(KeyValue::new("exception.type", error_type));
    attributes.push(KeyValue::new("exception.message", message));
    attributes.extend(stacktrace.map(|stacktrace| KeyValue::new("exception.stacktrace", stacktrace)));
    attributes
}

/// Marks a span as failed.
pub(crate) fn mark(span: &SpanRef<'_>, error_type: Cow<'static, str>, message: String) {
    span.set_attribute(KeyValue::new("error.type", error_type));
    span.set_status(Status::error(message));
}

/// An attribute's value as a log record has it.
fn any(value: Value) -> AnyValue {
    match value {
        Value::Bool(value) => value.into(),
        Value::I64(value) => value.into(),
        Value::F64(value) => value.into(),
        Value::String(value) => AnyValue::String(value),
        Value::Array(Array::Bool(values)) => values.into_iter().collect(),
        Value::Array(Array::I64(values)) => values.into_iter().collect(),
        Value::Array(Array::F64(values)) => values.into_iter().collect(),
        Value::Array(Array::String(values)) => values.into_iter().collect(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Exceptions, Heeded, Signal};

    #[test]
    fn without_a_logger_provider_exceptions_stay_events_and_it_is_said() {
        let (exceptions, heeded) = Exceptions::default().read("logs");
        assert_eq!((exceptions.signal, heeded), (Signal::Event, Heeded::NoLogs));
    }

    #[test]
    fn other_words_change_nothing() {
        for opt_in in ["", "database", "log"] {
            let (exceptions, heeded) = Exceptions::default().read(opt_in);
            assert_eq!((exceptions.signal, heeded), (Signal::Event, Heeded::Strange));
        }
    }
}

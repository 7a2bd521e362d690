//! Why a span failed, as far as its status and its events tell.
//!
//! An error is often told twice, by the status and by an `exception` event, and again by every span it passes on
//! its way out. Here it becomes one sentence, at the place where it happened.

use std::borrow::Cow;

use opentelemetry::trace::{Event, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::tree::{Tree, attribute};

/// Why a span failed.
pub(super) struct Failure<'a> {
    /// Nothing where a child has said it already.
    pub(super) text: Option<String>,
    /// The event that tells the same, and where it stands.
    pub(super) exception: Option<(usize, Exception<'a>)>,
}

impl<'a> Failure<'a> {
    pub(super) fn of(tree: &Tree<'a>, at: usize) -> Option<Self> {
        let span = &tree.spans[at];
        let Status::Error { description } = &span.status else {
            return None;
        };
        let tells_it =
            |exception: &Exception<'_>| description.is_empty() || exception.message == *description;
        let exception = span
            .events
            .iter()
            .enumerate()
            .rev()
            .find_map(|(position, event)| Some((position, Exception::of(event).filter(tells_it)?)));
        let same = |child: &SpanData| child.status == span.status;
        if exception.is_none() && !description.is_empty() && tree.children_of(at).any(same) {
            return Some(Self { text: None, exception: None });
        }
        let error_type = match &exception {
            Some((_, exception)) if !exception.kind.is_empty() => Cow::clone(&exception.kind),
            _ => attribute(&span.attributes, "error.type").map_or(Cow::Borrowed(""), Value::as_str),
        };
        let message = match &exception {
            Some((_, exception)) if description.is_empty() => &exception.message,
            _ => description,
        };
        Some(Self { text: Some(sentence(&error_type, message)), exception })
    }
}

/// `Type: message`, as far as there is either.
pub(super) fn sentence(error_type: &str, message: &str) -> String {
    match (error_type, message) {
        ("", "") => "failed".to_owned(),
        (one, "") | ("", one) => one.to_owned(),
        (error_type, message) => format!("{error_type}: {message}"),
    }
}

/// An event that records an error.
pub(super) struct Exception<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) message: Cow<'a, str>,
    pub(super) trace: Cow<'a, str>,
    attributes: &'a [KeyValue],
}

impl<'a> Exception<'a> {
    pub(super) fn of(event: &'a Event) -> Option<Self> {
        let said = |key| attribute(&event.attributes, key).map_or(Cow::Borrowed(""), Value::as_str);
        (event.name == "exception").then(|| Self {
            kind: said("exception.type"),
            message: said("exception.message"),
            trace: said("exception.stacktrace"),
            attributes: &event.attributes,
        })
    }

    /// Whether the trace says where: the place of a panic is nearer than that of the call.
    pub(super) fn names_place(&self) -> bool {
        self.trace.lines().any(|line| line.trim_start().starts_with("at "))
    }

    pub(super) fn others(&self) -> impl Iterator<Item = &'a KeyValue> {
        self.attributes.iter().filter(|pair| {
            !matches!(pair.key.as_str(), "exception.type" | "exception.message" | "exception.stacktrace")
        })
    }
}

/// Where the failed call stands in the code.
pub(super) fn place(attributes: &[KeyValue]) -> Option<String> {
    let file = attribute(attributes, "code.file.path")?;
    let line = attribute(attributes, "code.line.number");
    Some(format!("at {file}{}", line.map_or(String::new(), |line| format!(":{line}"))))
}

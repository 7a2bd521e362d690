//! A captured trace as text that is the same on every run.

use std::fmt::{Formatter, Result, Write};

use opentelemetry::trace::{SpanContext, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};

use super::{SpanView, Trace};

/// Constants of the call site, which move whenever a line is added above it.
const PLACE: [&str; 3] = ["code.function.name", "code.file.path", "code.line.number"];

pub(super) fn write(trace: &Trace, f: &mut Formatter<'_>) -> Result {
    // A stack of its own: a trace may be deeper than the thread's.
    let mut stack: Vec<_> = trace
        .spans()
        .filter(|span| span.parent_span().is_none())
        .map(|root| (root, String::new(), String::new()))
        .collect();
    stack.reverse();
    while let Some((span, first, rest)) = stack.pop() {
        let children: Vec<_> = span.children().collect();
        let below = if children.is_empty() { format!("{rest}    ") } else { format!("{rest}│   ") };
        write_span(span, &first, &below, f)?;
        for (index, child) in children.iter().enumerate().rev() {
            let (first, rest) =
                if index + 1 == children.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
            stack.push((
                *child,
                format!("{}{first}", self::rest(&below)),
                format!("{}{rest}", self::rest(&below)),
            ));
        }
    }
    Ok(())
}

/// The indentation of a span, without the column of its own children.
fn rest(below: &str) -> &str {
    below.strip_suffix("│   ").or_else(|| below.strip_suffix("    ")).unwrap_or(below)
}

fn write_span(span: SpanView<'_>, first: &str, below: &str, f: &mut Formatter<'_>) -> Result {
    write!(f, "{first}{}", span.name())?;
    match span.kind() {
        SpanKind::Internal => {}
        kind => write!(f, " ({})", format!("{kind:?}").to_lowercase())?,
    }
    match &span.data().status {
        Status::Unset => {}
        Status::Ok => f.write_str(" ok")?,
        Status::Error { description } => write!(f, " error {description:?}")?,
    }
    if span.data().parent_span_is_remote {
        f.write_str(" under a remote parent")?;
    }
    if !span.has_ended() {
        f.write_str(" (open)")?;
    }
    f.write_char('\n')?;
    for attribute in &span.data().attributes {
        if !PLACE.contains(&attribute.key.as_str()) {
            write_attribute(attribute, below, f)?;
        }
    }
    for link in span.links() {
        writeln!(f, "{below}→ {}", linked(span.trace, link))?;
    }
    for event in span.data().events.iter() {
        writeln!(f, "{below}• {}", event.name)?;
        for attribute in &event.attributes {
            write_attribute(attribute, &format!("{below}    "), f)?;
        }
    }
    Ok(())
}

fn linked<'a>(trace: &'a Trace, link: &SpanContext) -> &'a str {
    trace.spans().find(|span| span.span_id() == link.span_id()).map_or("a span elsewhere", SpanView::name)
}

fn write_attribute(KeyValue { key, value, .. }: &KeyValue, below: &str, f: &mut Formatter<'_>) -> Result {
    let (kind, text) = match value {
        Value::Bool(value) => ("bool", value.to_string()),
        Value::I64(value) => ("i64", value.to_string()),
        Value::F64(value) => ("f64", format!("{value:?}")),
        // Where a panic stood changes with every line above it.
        Value::String(value)
            if key.as_str() == "exception.stacktrace" && value.as_str().starts_with("at ") =>
        {
            ("str", "\"at …\"".to_owned())
        }
        Value::String(value) => ("str", format!("{:?}", value.as_str())),
        Value::Array(Array::Bool(values)) => ("[bool]", format!("{values:?}")),
        Value::Array(Array::I64(values)) => ("[i64]", format!("{values:?}")),
        Value::Array(Array::F64(values)) => ("[f64]", format!("{values:?}")),
        Value::Array(Array::String(values)) => (
            "[str]",
            format!("{:?}", values.iter().map(opentelemetry::StringValue::as_str).collect::<Vec<_>>()),
        ),
        other => ("?", format!("{other:?}")),
    };
    writeln!(f, "{below}{key}: {kind} = {text}")
}

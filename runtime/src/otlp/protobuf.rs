//! OTLP as protobuf: spans written as they go over the wire, in one pass, and what a receiver answers.
//!
//! `opentelemetry-proto` would be a tree of messages beside every batch, with a copy of every key and text, to be measured
//! and written afterwards; it is what the tests read this with. The numbers are those of the specification's `.proto` files.

use std::time::SystemTime;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::message::{by_scope, flags, kind, nanoseconds};
use crate::transport::Partial;

/// The kinds of fields there are, as far as they are needed here.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

/// A resource, as the field of the message that has it.
pub(super) fn resource(resource: &Resource) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, |out| {
        for (key, value) in resource {
            key_value(out, 1, key.as_str(), value);
        }
    });
    out
}

/// `ExportTraceServiceRequest`.
pub(super) fn request(resource: &[u8], schema: &str, spans: &[SpanData]) -> Vec<u8> {
    // About what a span takes: more is found where it is needed.
    let mut out = Vec::with_capacity(resource.len() + 256 * spans.len());
    message(&mut out, 1, |out| {
        out.extend_from_slice(resource);
        for (scope, spans) in by_scope(spans) {
            message(out, 2, |out| {
                message(out, 1, |out| {
                    text(out, 1, scope.name());
                    text(out, 2, scope.version().unwrap_or_default());
                    attributes(out, 3, scope.attributes());
                });
                for span in spans {
                    message(out, 2, |out| write_span(out, span));
                }
                text(out, 3, scope.schema_url().unwrap_or_default());
            });
        }
        text(out, 3, schema);
    });
    out
}

fn write_span(out: &mut Vec<u8>, span: &SpanData) {
    let context = &span.span_context;
    bytes(out, 1, &context.trace_id().to_bytes());
    bytes(out, 2, &context.span_id().to_bytes());
    text(out, 3, &context.trace_state().header());
    if span.parent_span_id != SpanId::INVALID {
        bytes(out, 4, &span.parent_span_id.to_bytes());
    }
    text(out, 5, &span.name);
    number(out, 6, kind(&span.span_kind).into());
    time(out, 7, span.start_time);
    time(out, 8, span.end_time);
    attributes(out, 9, &span.attributes);
    number(out, 10, span.dropped_attributes_count.into());
    for event in &span.events.events {
        message(out, 11, |out| {
            time(out, 1, event.timestamp);
            text(out, 2, &event.name);
            attributes(out, 3, &event.attributes);
            number(out, 4, event.dropped_attributes_count.into());
        });
    }
    number(out, 12, span.events.dropped_count.into());
    for link in &span.links.links {
        message(out, 13, |out| {
            let context = &link.span_context;
            bytes(out, 1, &context.trace_id().to_bytes());
            bytes(out, 2, &context.span_id().to_bytes());
            text(out, 3, &context.trace_state().header());
            attributes(out, 4, &link.attributes);
            number(out, 5, link.dropped_attributes_count.into());
            fixed32(out, 6, flags(context.trace_flags(), context.is_remote()));
        });
    }
    number(out, 14, span.links.dropped_count.into());
    message(out, 15, |out| match &span.status {
        Status::Unset => {}
        Status::Ok => number(out, 3, 1),
        Status::Error { description } => {
            text(out, 2, description);
            number(out, 3, 2);
        }
    });
    fixed32(out, 16, flags(context.trace_flags(), span.parent_span_is_remote));
}

fn attributes<'a>(out: &mut Vec<u8>, field: u32, attributes: impl IntoIterator<Item = &'a KeyValue>) {
    for attribute in attributes {
        key_value(out, field, attribute.key.as_str(), &attribute.value);
    }
}

fn key_value(out: &mut Vec<u8>, field: u32, key: &str, value: &Value) {
    message(out, field, |out| {
        text(out, 1, key);
        message(out, 2, |out| any(out, value));
    });
}

/// `AnyValue`: one of several, and written though it be zero or empty.
fn any(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(value) => bytes(out, 1, value.as_str().as_bytes()),
        Value::Bool(value) => any_bool(out, *value),
        Value::I64(value) => any_i64(out, *value),
        Value::F64(value) => fixed64(out, 4, value.to_bits()),
        Value::Array(array) => message(out, 5, |out| match array {
            Array::Bool(all) => each(out, all, |out, one| any_bool(out, *one)),
            Array::I64(all) => each(out, all, |out, one| any_i64(out, *one)),
            Array::F64(all) => each(out, all, |out, one| fixed64(out, 4, one.to_bits())),
            Array::String(all) => each(out, all, |out, one| bytes(out, 1, one.as_str().as_bytes())),
            // OpenTelemetry has no other yet.
            _ => {}
        }),
        other => bytes(out, 1, other.as_str().as_bytes()),
    }
}

fn each<T>(out: &mut Vec<u8>, all: &[T], any: impl Fn(&mut Vec<u8>, &T)) {
    for one in all {
        message(out, 1, |out| any(out, one));
    }
}

fn any_bool(out: &mut Vec<u8>, value: bool) {
    tag(out, 2, VARINT);
    out.push(value.into());
}

fn any_i64(out: &mut Vec<u8>, value: i64) {
    tag(out, 3, VARINT);
    varint(out, value.cast_unsigned());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn tag(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, (field << 3 | kind).into());
}

fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    tag(out, field, LENGTH);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is empty is not written: so protobuf has it.
fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        bytes(out, field, text.as_bytes());
    }
}

fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        tag(out, field, VARINT);
        varint(out, value);
    }
}

fn time(out: &mut Vec<u8>, field: u32, time: SystemTime) {
    let nanoseconds = nanoseconds(time);
    if nanoseconds != 0 {
        fixed64(out, field, nanoseconds);
    }
}

fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A message inside of one. Its length stands before it and is known behind: one byte is left for it, and what follows
/// moves where it takes more.
fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH);
    let place = out.len();
    out.push(0);
    write(out);
    let length = out.len() - place - 1;
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out[place] = short;
        return;
    }
    let (mut digits, mut count, mut rest) = ([0; 10], 0, length as u64);
    loop {
        digits[count] = rest.to_le_bytes()[0] | 0x80;
        (count, rest) = (count + 1, rest >> 7);
        if rest == 0 {
            break;
        }
    }
    digits[count - 1] &= 0x7f;
    out.splice(place..=place, digits[..count].iter().copied());
}

/// A field as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, with their numbers; `None` where it is none.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = read_varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Number(read_varint(&mut message)?),
            1 => Field::Number(u64::from_le_bytes(take(&mut message, 8)?.try_into().ok()?)),
            2 => {
                let length = read_varint(&mut message)?;
                Field::Bytes(take(&mut message, usize::try_from(length).ok()?)?)
            }
            5 => Field::Number(u32::from_le_bytes(take(&mut message, 4)?.try_into().ok()?).into()),
            _ => return None,
        };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// What `ExportTraceServiceResponse` says was not taken.
pub(super) fn partial(response: &[u8]) -> Option<Partial> {
    let mut partial = Partial::default();
    for (number, field) in fields(response)? {
        let (1, Field::Bytes(message)) = (number, field) else { continue };
        for (number, field) in fields(message)? {
            match (number, field) {
                (1, Field::Number(rejected)) => partial.rejected = rejected,
                (2, Field::Bytes(text)) => partial.reason = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    Some(partial)
}

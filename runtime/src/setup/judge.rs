//! What the texts of variables mean: a number, a list, a name that is known. Or what is wrong with them, and what is allowed.
//!
//! Knows values, and no variable: that is added by whoever asks.

use std::str::FromStr;
use std::time::Duration;

use opentelemetry::KeyValue;

use super::environment::Named;
use super::explanation::{clean, is_secret};
use super::name::remedy;
use crate::diagnostics::{self, LogLevel};
use crate::propagation::{Propagator, UnknownPropagator, is_token, percent_decoded};

/// What a text means, or what is wrong with it.
pub(super) type Judge<T> = fn(&str) -> Result<T, String>;

pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

pub(super) fn log_level(text: &str) -> Result<LogLevel, String> {
    diagnostics::level(text)
        .ok_or_else(|| remedy(&text.to_ascii_lowercase(), &["none", "error", "warn", "info", "debug"]))
}

fn number<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    // Rust reads a `+` before a number, and OpenTelemetry says digits.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("expected {expected}"))
}

fn from_one(text: &str, expected: &str) -> Result<u32, String> {
    match number(text, expected)? {
        0 => Err(format!("expected {expected}")),
        number => Ok(number),
    }
}

pub(super) fn count(text: &str) -> Result<u32, String> {
    number(text, "a whole number from 0 to 4294967295")
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    number(text, "a number of bytes, 0 or more")
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    let number = from_one(text, "a whole number from 1 to 4294967295")?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let number = from_one(text, "milliseconds, a whole number from 1 to 4294967295")?;
    Ok(Duration::from_millis(number.into()))
}

pub(super) fn ratio(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|ratio: &f64| (0.0..=1.0).contains(ratio));
    // A minus before zero says nothing, and would be printed.
    number.map(f64::abs).ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// What stands between the commas of a list, and is not empty.
pub(super) fn members(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|member| !member.is_empty())
}

/// The words of a list, each once; `none` stands alone and is the empty list.
fn list<'a>(text: &'a str, names: &[&str]) -> Result<Vec<&'a str>, String> {
    let mut words: Vec<&str> = Vec::new();
    for word in members(text) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words == ["none"] {
        return Ok(Vec::new());
    }
    if words.contains(&"none") {
        return Err("`none` stands alone".to_owned());
    }
    if words.is_empty() {
        return Err(format!("there is no name in it; {}", remedy("", names)));
    }
    if let Some(unknown) = words.iter().find(|word| !names.contains(word)) {
        return Err(format!("`{}` is not known; {}", clean(unknown), remedy(unknown, names)));
    }
    Ok(words)
}

/// Every name of an exporter, with the feature that brings it where it is not there.
const EXPORTERS: [(&str, Result<Named, &str>); 5] = [
    ("console", Ok(Named::Console)),
    #[cfg(feature = "otlp")]
    ("otlp", Ok(Named::Otlp)),
    #[cfg(not(feature = "otlp"))]
    ("otlp", Err("otlp")),
    #[cfg(feature = "otlp")]
    ("jaeger", Ok(Named::Jaeger)),
    #[cfg(not(feature = "otlp"))]
    ("jaeger", Err("otlp")),
    #[cfg(feature = "zipkin")]
    ("zipkin", Ok(Named::Zipkin)),
    #[cfg(not(feature = "zipkin"))]
    ("zipkin", Err("zipkin")),
    #[cfg(feature = "otlp-file")]
    ("otlp/stdout", Ok(Named::OtlpStdout)),
    #[cfg(not(feature = "otlp-file"))]
    ("otlp/stdout", Err("otlp-file")),
];

pub(super) fn exporters(text: &str) -> Result<Vec<Named>, String> {
    let names: Vec<_> = EXPORTERS.iter().map(|(name, _)| *name).chain(["none"]).collect();
    let built_in = |word: &str| match EXPORTERS.iter().find(|(name, _)| *name == word) {
        Some((_, Ok(exporter))) => Some(Ok(*exporter)),
        Some((_, Err(feature))) => {
            Some(Err(format!("no exporter `{word}` is built in; enable the feature `{feature}` of `traced`")))
        }
        None => None,
    };
    list(text, &names)?.into_iter().filter_map(built_in).collect()
}

pub(super) fn propagators(text: &str) -> Result<Vec<Propagator>, String> {
    const NAMES: [&str; 7] = ["tracecontext", "baggage", "b3", "b3multi", "jaeger", "xtraceid", "none"];
    let faults = members(text).filter_map(|name| name.parse::<Propagator>().err());
    // What OpenTelemetry has a name for is no slip.
    if let Some(foreign) = faults.into_iter().find(UnknownPropagator::is_foreign) {
        return Err(foreign.to_string());
    }
    let names = list(text, &NAMES)?;
    names.into_iter().map(|name| name.parse().map_err(|error| format!("{error}"))).collect()
}

/// The names of members of the baggage.
pub(super) fn baggage_names(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<_> = members(text).map(str::to_owned).collect();
    if names.is_empty() {
        return Err("there is no name in it; expected `name,name`".to_owned());
    }
    // A `*` is a name as good as any, to HTTP; who writes one hopes for more.
    if names.iter().any(|name| name.contains('*')) {
        return Err("`*` stands for no others; expected the names, `name,name`".to_owned());
    }
    match names.iter().find(|name| !is_token(name)) {
        Some(odd) => Err(format!("`{}` is no name that baggage has; expected `name,name`", clean(odd))),
        None => Ok(names),
    }
}

/// `key=value,key=value`, with what is special in percents.
pub(super) fn attributes(text: &str) -> Result<Vec<KeyValue>, String> {
    // Where there is a secret, a part of it may be in any member: it may have a comma.
    let has_secret = is_secret(text);
    members(text)
        .map(|member| attribute(member, &if has_secret { "***".to_owned() } else { clean(member) }))
        .collect()
}

fn attribute(member: &str, shown: &str) -> Result<KeyValue, String> {
    const EXPECTED: &str = "expected `key=value,key=value`";
    let Some((key, value)) = member.split_once('=') else {
        return Err(format!("`{shown}` has no `=`; {EXPECTED}"));
    };
    let [key, value] = [key, value].map(|text| decoded(text.trim()));
    match (key, value) {
        (Some(key), _) if key.is_empty() => Err(format!("`{shown}` has no key; {EXPECTED}")),
        (Some(key), Some(value)) => Ok(KeyValue::new(key, value)),
        _ => Err(format!(
            "`{shown}` has a `%` that encodes nothing; expected UTF-8 in percents, and `%25` for `%`"
        )),
    }
}

pub(super) fn decoded(text: &str) -> Option<String> {
    let is_code =
        |rest: &str| rest.get(..2).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if text.split('%').skip(1).all(is_code) { percent_decoded(text) } else { None }
}

//! Which of the kept traces are wanted, said in code or in a URL.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;

use super::Member;
use super::trace::{has_failed, service, stretch};
use crate::fault::debug_as_display;
use crate::keep::Kept;
use crate::propagation::percent_decoded;

/// How many traces are found, unless it is said otherwise; as in Jaeger.
const LIMIT: usize = 20;

/// Which traces are wanted: all that is said must hold. See [`Memory::search`](super::Memory::search).
///
/// Service, name and attributes are those of one and the same span, wherever in the trace it is; time and errors are those
/// of the trace.
///
/// The same is read from the query of a URL, in the words of Jaeger's API:
///
/// ```
/// use std::time::Duration;
/// use traced::memory::Query;
///
/// let query: Query = "service=shop&operation=POST%20/orders&tag=order.id:7&minDuration=1.5s&error=true".parse()?;
/// let same = Query::new()
///     .service("shop")
///     .name("POST /orders")
///     .attribute("order.id", "7")
///     .min_duration(Duration::from_millis(1500))
///     .errors();
/// assert_eq!(query, same);
/// assert_eq!(
///     "sevice=shop".parse::<Query>().unwrap_err().to_string(),
///     "`sevice` is not known; expected `service`, `operation`, `tag`, `minDuration`, `maxDuration`, `error` or `limit`"
/// );
/// # Ok::<(), traced::memory::QueryFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a query finds nothing by itself; give it to `Memory::search`"]
pub struct Query {
    service: Option<String>,
    name: Option<String>,
    attributes: Vec<(String, String)>,
    least: Duration,
    most: Duration,
    failed: bool,
    pub(super) limit: usize,
}

impl Query {
    /// Every trace, and the twenty newest of them.
    pub fn new() -> Self {
        Self {
            service: None,
            name: None,
            attributes: Vec::new(),
            least: Duration::ZERO,
            most: Duration::MAX,
            failed: false,
            limit: LIMIT,
        }
    }

    /// Traces with a span of that service.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Traces with a span of that name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Traces with a span that has this attribute, its value as text: `"7"`, `"true"`, `"[1,2]"`. As often as called.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Traces that took at least so long.
    pub fn min_duration(mut self, least: Duration) -> Self {
        self.least = least;
        self
    }

    /// Traces that took no longer.
    pub fn max_duration(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// Traces with a span that has failed.
    pub fn errors(mut self) -> Self {
        self.failed = true;
        self
    }

    /// How many are found at most. Default 20.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    pub(super) fn finds(&self, trace: &Kept<Member>) -> bool {
        let spans = || trace.spans.iter().map(|kept| &*kept.span.span);
        let one_is_meant = self.service.is_none() && self.name.is_none() && self.attributes.is_empty()
            || trace.spans.iter().any(|kept| self.means(&kept.span));
        let has_time = || {
            let (_, duration) = stretch(spans());
            self.least <= duration && duration <= self.most
        };
        one_is_meant && (!self.failed || spans().any(has_failed)) && has_time()
    }

    fn means(&self, Member { span, resource }: &Member) -> bool {
        self.name.as_ref().is_none_or(|name| *name == span.name)
            && self.attributes.iter().all(|(key, value)| has(span, key, value))
            && self.service.as_ref().is_none_or(|name| *name == service(resource))
    }
}

/// Whether an attribute has that value; the one that was set last counts.
fn has(span: &SpanData, key: &str, value: &str) -> bool {
    span.attributes
        .iter()
        .rfind(|attribute| attribute.key.as_str() == key)
        .is_some_and(|attribute| attribute.value.as_str() == value)
}

impl Default for Query {
    fn default() -> Self {
        Self::new()
    }
}

/// What cannot be understood of the query in a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct QueryFault(String);

impl fmt::Display for QueryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QueryFault {}

debug_as_display!(QueryFault);

impl FromStr for Query {
    type Err = QueryFault;

    /// Reads what stands behind the `?` of a URL. A parameter without a value says nothing.
    fn from_str(text: &str) -> Result<Self, QueryFault> {
        let mut query = Self::new();
        for parameter in text.split('&') {
            let (key, raw) = parameter.split_once('=').unwrap_or((parameter, ""));
            if raw.is_empty() && key.is_empty() {
                continue;
            }
            let fault =
                |expected: &str| QueryFault(format!("`{}` is `{}`; {expected}", shown(key), shown(raw)));
            let value =
                percent_decoded(&raw.replace('+', " ")).ok_or_else(|| fault("expected UTF-8 in percents"))?;
            let time =
                || duration(&value).ok_or_else(|| fault("expected a time, like `1.5s`, `20ms` or `300us`"));
            match key {
                "service" | "operation" | "tag" | "minDuration" | "maxDuration" | "error" | "limit"
                    if value.is_empty() => {}
                "service" => query = query.service(value),
                "operation" => query = query.name(value),
                "tag" => {
                    let (key, value) = value.split_once(':').ok_or_else(|| fault("expected `key:value`"))?;
                    query = query.attribute(key, value);
                }
                "minDuration" => query = query.min_duration(time()?),
                "maxDuration" => query = query.max_duration(time()?),
                "error" => query.failed = value.parse().map_err(|_| fault("expected `true` or `false`"))?,
                "limit" => query.limit = value.parse().map_err(|_| fault("expected a whole number"))?,
                _ => {
                    return Err(QueryFault(format!(
                        "`{}` is not known; expected `service`, `operation`, `tag`, `minDuration`, `maxDuration`, \
                         `error` or `limit`",
                        shown(key)
                    )));
                }
            }
        }
        Ok(query)
    }
}

/// What came from outside goes into an error, and perhaps back to whoever sent it: without controls, and not too much.
fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_ascii_graphic() { c } else { '�' }).collect()
}

/// A time as Go and Jaeger write it, with one unit.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit);
    let seconds: f64 = match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        text.parse::<Query>().unwrap_err().to_string()
    }

    #[test]
    fn nothing_said_is_everything() {
        for text in ["", "&", "service=", "service=&operation=&tag=&minDuration=&error=&limit="] {
            assert_eq!(text.parse(), Ok(Query::new()), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, nanos) in [
            ("3ns", 3),
            ("1.5us", 1_500),
            ("2µs", 2_000),
            ("20ms", 20_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for text in
            ["", "1", "s", "-1s", "1 s", "1s2", ".s", "1..5s", "infs", "NaNs", "99999999999999999999999h"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_told_and_not_echoed_whole() {
        assert_eq!(fault("limit=many"), "`limit` is `many`; expected a whole number");
        assert_eq!(fault("limit=-1"), "`limit` is `-1`; expected a whole number");
        assert_eq!(fault("tag=a"), "`tag` is `a`; expected `key:value`");
        assert_eq!(fault("error=yes"), "`error` is `yes`; expected `true` or `false`");
        assert_eq!(
            fault("minDuration=5"),
            "`minDuration` is `5`; expected a time, like `1.5s`, `20ms` or `300us`"
        );
        assert_eq!(fault("service=%ff"), "`service` is `%ff`; expected UTF-8 in percents");
        assert!(fault(&format!("\u{1b}[2J{}=1", "x".repeat(100_000))).starts_with("`�[2Jxxx"));
        assert!(fault(&"x".repeat(100_000)).len() < 300);
    }

    #[test]
    fn a_plus_is_a_space() {
        assert_eq!("operation=POST+%2Forders%2B".parse(), Ok(Query::new().name("POST /orders+")));
    }
}

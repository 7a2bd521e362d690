//! What is taken out of spans before any exporter gets them: secrets, by their keys and by their form.
//!
//! It stands where a queue hands spans to its exporter, on the exporter's thread, so that nothing goes around it and no
//! calling thread waits for it. `key` knows keys, `pattern` texts; neither knows spans. `clean` knows what
//! both have found nothing in.

mod clean;
mod key;
mod pattern;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::Status;
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use crate::value::{self, survive};

use clean::Clean;

pub(crate) use key::secret;

/// What is taken out of every span before any exporter gets it. It is on by default; see
/// [`Builder::scrub`](crate::Builder::scrub).
///
/// ```
/// use traced::Scrubber;
/// use traced::opentelemetry::KeyValue;
///
/// let scrubber = Scrubber::new()
///     .key("order.note") // hidden whole
///     .allow("session.token") // left as it is
///     .emails()
///     .rule(|key, text| (key == "user.name").then(|| text.chars().take(1).collect()));
///
/// let shown = |key: &'static str, value: &'static str| scrubber.shown(KeyValue::new(key, value)).value.to_string();
/// assert_eq!(shown("user.password", "correct horse"), "[redacted: password]");
/// assert_eq!(shown("error", "no card 4111 1111 1111 1111"), "no card [redacted: card number]");
/// assert_eq!(shown("url.full", "https://x.com/?api_key=k7&page=2"), "https://x.com/?api_key=[redacted: api key]&page=2");
/// assert_eq!(shown("order.note", "call me"), "[redacted: key]");
/// assert_eq!(shown("session.token", "7"), "7");
/// assert_eq!(shown("sender", "jane@example.com"), "[redacted: e-mail address]");
/// assert_eq!(shown("user.name", "Jane"), "J");
/// ```
///
/// What stands in the place of what was taken names the rule that took it: `[redacted: password]`.
///
/// **Keys** that name a secret, by their whole words, hide their value: `user.password`, `x-api-key`, `accessToken`,
/// `http.request.header.authorization`. What is *about* a secret does not: `token_count`, `password.length`, and no more do
/// words that only look like one: `author`, `tokens`. A boolean is left, and what [`mask`](crate::mask) has made of a text.
///
/// **Texts** lose bearer tokens and basic authorization, JWTs, user and password of a URL, secrets that they name
/// (`password=…`, `"token": "…"`, `?sig=…`), card numbers that pass the check of Luhn, private keys as PEM, and the tokens of
/// well-known services (AWS, GitHub, GitLab, Slack, Stripe and others). E-mail addresses where [asked](Self::emails).
///
/// A text that was [cut](crate::Builder::max_value_bytes) also loses an end that may be half of one of these.
///
/// Both are looked for in the attributes of spans, events, links, the scope and the service; patterns also in status texts,
/// names of events, and span names that are no literals. A secret without a form of its own, under a key that says nothing,
/// is not found: do not record it, or [`mask`](crate::mask) it.
///
/// It is a set-up's. After [`attach_global`](crate::attach_global) spans go through the program's own provider, and are not
/// scrubbed here.
///
/// A clean span with eight attributes costs the exporter's thread some 250 ns where all of it is new (`bench/spans`, `scrub`),
/// and about half of that where most of it is constants, as keys are: what was clean is known again, for which each exporter's
/// thread keeps up to 256 keys and 256 short texts. It costs the calling thread nothing; a text's cost grows with its length,
/// whatever is in it.
#[derive(Clone)]
pub struct Scrubber {
    is_on: bool,
    emails: bool,
    /// Whether attributes of other keys are hidden.
    only: bool,
    keys: HashMap<Cow<'static, str>, Known>,
    rules: Vec<Arc<Rule>>,
}

type Rule = dyn Fn(&str, &str) -> Option<String> + Send + Sync;

/// What the set-up says about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Hidden,
    Allowed,
    /// Looked through as ever; other keys may not be.
    Listed,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scrubber").field(&self.to_string()).finish()
    }
}

/// What it does, in a line.
impl fmt::Display for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_on {
            return f.write_str("off");
        }
        let count = |known| self.keys.values().filter(|other| **other == known).count();
        f.write_str("secret keys, patterns")?;
        if self.emails {
            f.write_str(", e-mail addresses")?;
        }
        for (count, [one, more]) in [
            (count(Known::Hidden), ["key more", "keys more"]),
            (count(Known::Allowed), ["key allowed", "keys allowed"]),
            (count(Known::Listed), ["key and no other", "keys and no others"]),
            (self.rules.len(), ["rule", "rules"]),
        ] {
            if count > 0 {
                write!(f, ", {count} {}", if count == 1 { one } else { more })?;
            }
        }
        Ok(())
    }
}

impl Default for Scrubber {
    fn default() -> Self {
        Self::new()
    }
}

impl Scrubber {
    /// Takes out secret keys and the patterns, and nothing more.
    pub fn new() -> Self {
        Self { is_on: true, emails: false, only: false, keys: HashMap::new(), rules: Vec::new() }
    }

    /// Takes out nothing: what is recorded is exported.
    pub fn off() -> Self {
        Self { is_on: false, ..Self::new() }
    }

    /// Hides the values of exactly this key.
    pub fn key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.keys.insert(key.into(), Known::Hidden);
        self
    }

    /// Leaves the values of exactly this key as they are: neither its name nor patterns nor rules touch them.
    pub fn allow(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.keys.insert(key.into(), Known::Allowed);
        self
    }

    /// Hides the values of all attributes of spans, events and links but those of these keys, as often as called. Their values are
    /// looked through as ever. What this crate records itself, such as `error.type` and `code.function.name`, needs no mention.
    ///
    /// ```
    /// use traced::Scrubber;
    /// use traced::opentelemetry::KeyValue;
    ///
    /// let scrubber = Scrubber::new().only(["order.id", "order.note"]);
    /// let shown = |key: &'static str, value: &'static str| scrubber.shown(KeyValue::new(key, value)).value.to_string();
    /// assert_eq!(shown("order.id", "7"), "7");
    /// assert_eq!(shown("order.note", "Bearer abc123def456"), "Bearer [redacted: bearer token]");
    /// assert_eq!(shown("order.city", "Bern"), "[redacted: key]");
    /// ```
    pub fn only(mut self, keys: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        self.only = true;
        self.keys.extend(keys.into_iter().map(|key| (key.into(), Known::Listed)));
        self
    }

    /// Takes out e-mail addresses too.
    pub fn emails(mut self) -> Self {
        self.emails = true;
        self
    }

    /// A rule of your own, as often as called: it gets the key and the text of every value that is a text, or an element of an
    /// array of texts, after the patterns, and gives what is to be shown instead, or `None`.
    ///
    /// A status text has the key `status`, the name of an event `event`, that of a span `name`. If the rule panics, the whole
    /// text is hidden.
    pub fn rule(mut self, rule: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// What exporters get of an attribute: to try rules.
    pub fn shown(&self, mut attribute: KeyValue) -> KeyValue {
        Scrubbing::once(self).attribute(&mut attribute, self.only);
        attribute
    }

    /// As `shown`, for an attribute of the service or of a scope, which nobody lists.
    pub(crate) fn shown_of_all(&self, mut attribute: KeyValue) -> KeyValue {
        Scrubbing::once(self).attribute(&mut attribute, false);
        attribute
    }

    /// The resource without what is to be taken out.
    pub(crate) fn resource(&self, resource: &Resource) -> Resource {
        let attributes =
            resource.iter().map(|(key, value)| self.shown_of_all(KeyValue::new(key.clone(), value.clone())));
        let clean = Resource::builder_empty();
        match resource.schema_url() {
            Some(url) => clean.with_schema_url(attributes, url.to_owned()),
            None => clean.with_attributes(attributes),
        }
        .build()
    }

    fn scope(&self, scope: &mut InstrumentationScope) {
        let clean: Vec<_> =
            scope.attributes().map(|attribute| self.shown_of_all(attribute.clone())).collect();
        if scope.attributes().eq(&clean) {
            return;
        }
        let mut rebuilt = InstrumentationScope::builder(scope.name().to_owned()).with_attributes(clean);
        if let Some(version) = scope.version() {
            rebuilt = rebuilt.with_version(version.to_owned());
        }
        if let Some(url) = scope.schema_url() {
            rebuilt = rebuilt.with_schema_url(url.to_owned());
        }
        *scope = rebuilt.build();
    }
}

/// A scrubber at work, with what it has looked through lately.
pub(crate) struct Scrubbing<'a> {
    scrubber: &'a Scrubber,
    /// Keys that name no secret, and texts without one.
    keys: Clean,
    texts: Clean,
}

impl<'a> Scrubbing<'a> {
    /// For many spans.
    pub(crate) fn new(scrubber: &'a Scrubber) -> Self {
        Self { scrubber, keys: Clean::new(), texts: Clean::new() }
    }

    /// For one attribute.
    fn once(scrubber: &'a Scrubber) -> Self {
        Self { scrubber, keys: Clean::default(), texts: Clean::default() }
    }

    /// Takes out what is to be taken out of a span.
    pub(crate) fn span(&mut self, span: &mut SpanData) {
        if !self.scrubber.is_on {
            return;
        }
        if let Cow::Owned(name) = &mut span.name
            && let Some(clean) = self.text("name", name)
        {
            *name = clean;
        }
        self.attributes(&mut span.attributes);
        for event in &mut span.events.events {
            if let Some(clean) = self.text("event", &event.name) {
                event.name = clean.into();
            }
            self.attributes(&mut event.attributes);
        }
        for link in &mut span.links.links {
            self.attributes(&mut link.attributes);
        }
        if let Status::Error { description } = &mut span.status
            && let Some(clean) = self.text("status", description)
        {
            *description = clean.into();
        }
        if span.instrumentation_scope.attributes().next().is_some() {
            self.scrubber.scope(&mut span.instrumentation_scope);
        }
    }

    fn attributes(&mut self, attributes: &mut [KeyValue]) {
        for attribute in attributes {
            self.attribute(attribute, self.scrubber.only);
        }
    }

    fn attribute(&mut self, KeyValue { key, value, .. }: &mut KeyValue, only: bool) {
        if !self.scrubber.is_on {
            return;
        }
        let (key, keys) = (key.as_str(), &self.scrubber.keys);
        let what = match if keys.is_empty() { None } else { keys.get(key) } {
            Some(Known::Allowed) => return,
            Some(Known::Hidden) => Some("key"),
            None if only && !OWN.contains(&key) => Some("key"),
            // A boolean says whether there is a secret, and not which.
            _ if matches!(value, Value::Bool(_)) => None,
            _ => self.keys.look(key, secret).filter(|_| !is_masked(value)),
        };
        let clean = match (what, &mut *value) {
            (Some(what), _) => Some(redacted(what)),
            (None, Value::String(text)) => self.text(key, text.as_str()),
            (None, Value::Array(Array::String(texts))) => {
                self.texts(key, texts);
                None
            }
            (None, Value::I64(number)) if pattern::is_card(*number) => Some(redacted("card number")),
            (None, Value::Array(Array::I64(numbers)))
                if numbers.iter().any(|number| pattern::is_card(*number)) =>
            {
                Some(redacted("card number"))
            }
            _ => None,
        };
        if let Some(clean) = clean {
            *value = clean.into();
        }
    }

    fn texts(&mut self, key: &str, texts: &mut [StringValue]) {
        for text in texts {
            if let Some(clean) = self.text(key, text.as_str()) {
                *text = clean.into();
            }
        }
    }

    /// What is shown instead of a text, if it is not to be shown itself.
    fn text(&mut self, key: &str, text: &str) -> Option<String> {
        let emails = self.scrubber.emails;
        let mut clean = self.texts.look(text, |text| pattern::clean(text, emails));
        if value::is_cut(text) {
            clean = pattern::without_end(clean.as_deref().unwrap_or(text), emails).or(clean);
        }
        for rule in &self.scrubber.rules {
            match survive(|| rule(key, clean.as_deref().unwrap_or(text))) {
                Some(None) => {}
                Some(shown) => clean = shown,
                None => return Some(redacted("a rule panicked")),
            }
        }
        clean
    }
}

/// The keys that this crate sets.
const OWN: [&str; 11] = [
    "busy_ns",
    "cancelled",
    "code.file.path",
    "code.function.name",
    "code.line.number",
    "error.type",
    "exception.message",
    "exception.stacktrace",
    "exception.type",
    "idle_ns",
    "polls",
];

fn redacted(what: &str) -> String {
    format!("[redacted: {what}]")
}

/// Whether a value is what `mask` makes of a secret: who wrote that has said what may be seen.
fn is_masked(value: &Value) -> bool {
    const LAST: usize = 4;
    let Value::String(text) = value else { return false };
    text.as_str().strip_prefix("***").is_some_and(|shown| shown.chars().count() <= LAST)
}

//! What a set-up has come to, told to whoever operates it: each setting, its value, where it came from, and what was not
//! heeded. Secrets have no place in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// One thing that can be set, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    Exporters,
    Observers,
    Sampler,
    Filter,
    Propagators,
    BaggageAttributes,
    Queue,
    Buffer,
    Batch,
    Delay,
    ExportTimeout,
    SpanAttributes,
    SpanEvents,
    SpanLinks,
    EventAttributes,
    LinkAttributes,
    ValueBytes,
    CodeAttributes,
    Exceptions,
    Tail,
    Processors,
    Scrubber,
    LogLevel,
}

impl Setting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Exporters => "exporters",
            Self::Observers => "observers",
            Self::Sampler => "sampler",
            Self::Filter => "filter",
            Self::Propagators => "propagators",
            Self::BaggageAttributes => "attributes from baggage",
            Self::Queue => "queue, spans",
            Self::Buffer => "buffer, bytes",
            Self::Batch => "batch, spans",
            Self::Delay => "delay",
            Self::ExportTimeout => "export, timeout",
            Self::SpanAttributes => "attributes of a span",
            Self::SpanEvents => "events of a span",
            Self::SpanLinks => "links of a span",
            Self::EventAttributes => "attributes of an event",
            Self::LinkAttributes => "attributes of a link",
            Self::ValueBytes => "text, bytes",
            Self::CodeAttributes => "code attributes",
            Self::Exceptions => "exceptions",
            Self::Tail => "tail sampling",
            Self::Processors => "processors",
            Self::Scrubber => "scrubber",
            Self::LogLevel => "log level",
        }
    }
}

/// Who said it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Origin {
    #[default]
    Default,
    Code,
    Variable(&'static str),
    /// It was changed after the set-up.
    Running,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Code => "code",
            Self::Variable(name) => name,
            Self::Running => "changed while running",
        })
    }
}

/// A variable that is set, and not heeded. Its value is not told: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignored {
    pub(super) variable: Cow<'static, str>,
    pub(super) why: String,
}

/// Who said what is in force, and what was said in vain.
#[derive(Debug, Default)]
pub(super) struct Origins {
    said: BTreeMap<Setting, Origin>,
    pub(super) ignored: Vec<Ignored>,
}

/// Why a variable does not count where the program speaks after it.
pub(super) const CODE_SPEAKS_LAST: &str = "the program says otherwise, after it read the environment";

impl Origins {
    /// The last word counts.
    pub(super) fn say(&mut self, setting: Setting, origin: Origin) {
        if let (Some(Origin::Variable(variable)), Origin::Code) = (self.said.insert(setting, origin), origin)
        {
            self.ignore(variable, CODE_SPEAKS_LAST);
        }
    }

    pub(super) fn of(&self, setting: Setting) -> Origin {
        self.said.get(&setting).copied().unwrap_or_default()
    }

    pub(super) fn ignore(&mut self, variable: impl Into<Cow<'static, str>>, why: impl Into<String>) {
        let ignored = Ignored { variable: variable.into(), why: why.into() };
        if !self.ignored.contains(&ignored) {
            self.ignored.push(ignored);
        }
    }
}

/// Every setting of a set-up, its value, and where it came from: the program's code, a variable of the environment, or
/// nowhere, which is the default. Then the variables that are set and were ignored, and why. See
/// [`Tracing::explain`](crate::Tracing::explain).
///
/// It is for people; its lines may change. Values of attributes whose name looks like a secret are hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub(super) settings: Vec<(String, String, Origin)>,
    pub(super) ignored: Vec<Ignored>,
}

impl Explanation {
    pub(super) fn new(is_on: bool, origin: Origin) -> Self {
        let value = if is_on { "on" } else { "off" };
        Self { settings: vec![("tracing".to_owned(), value.to_owned(), origin)], ignored: Vec::new() }
    }

    pub(super) fn attribute(&mut self, key: &str, value: &str, origin: Origin) {
        let value = if is_secret(key) { "***".to_owned() } else { clean(value) };
        self.settings.push((clean(key), value, origin));
    }

    /// A setting of one exporter.
    pub(super) fn exporter_setting(&mut self, name: String, value: String, origin: Origin) {
        self.settings.push((name, value, origin));
    }

    pub(super) fn setting(&mut self, setting: Setting, value: String, origin: Origin) {
        self.settings.push((setting.name().to_owned(), value, origin));
    }

    /// What holds instead by now.
    pub(super) fn changed(&mut self, name: &str, value: &str) {
        for setting in self.settings.iter_mut().filter(|setting| setting.0 == name) {
            (setting.1, setting.2) = (value.to_owned(), Origin::Running);
        }
    }

    /// What there is to say beside a setting, of the same origin.
    pub(super) fn behind(&mut self, setting: Setting, name: &str, value: &str) {
        if let Some(place) = self.settings.iter().position(|(known, ..)| known == setting.name()) {
            let origin = self.settings[place].2;
            self.settings.insert(place + 1, (name.to_owned(), clean(value), origin));
        }
    }

    /// In the order of the alphabet, whatever order they were found in.
    pub(super) fn ignored(&mut self, mut ignored: Vec<Ignored>) {
        ignored.sort_by(|one, other| one.variable.cmp(&other.variable));
        self.ignored = ignored;
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value, origin) in &self.settings {
            writeln!(f, "{name}: {value} ({origin})")?;
        }
        for Ignored { variable, why } in &self.ignored {
            writeln!(f, "ignored: {variable}: {why}")?;
        }
        Ok(())
    }
}

/// Whether what stands under such a name, or beside such a word, had better not be shown.
pub(super) fn is_secret(text: &str) -> bool {
    const WORDS: [&str; 9] =
        ["passw", "secret", "token", "api_key", "apikey", "api-key", "auth", "credential", "private"];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word)) || crate::scrub::secret(&text).is_some()
}

/// Text that came from outside: without control characters, and not too long.
pub(crate) fn clean(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = if c.is_control() { None } else { Some(c) };
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

//! An exporter of a set-up, before it is installed: what it is called, and what there is to tell of it, whoever named it.
//!
//! What an exporter can be told is its own affair; here is who said it.

use std::any::Any;
use std::fmt;

use opentelemetry_sdk::trace::{SpanExporter, SpanProcessor};

use super::environment::Named;
use super::explanation::Origin;
use crate::console::Console;
use crate::export::Export;
use crate::process::Ends;

/// An exporter with its name.
pub(super) struct Exporter {
    pub(super) export: Box<dyn Export>,
    name: &'static str,
    /// A setting, its value, and who said it.
    settings: Vec<(&'static str, String, Origin)>,
}

/// What the environment said about one setting of an exporter.
#[cfg(any(feature = "otlp", feature = "zipkin"))]
pub(super) struct Said {
    pub(super) setting: &'static str,
    pub(super) origin: Origin,
    /// The value, where it tells more than the exporter knows.
    pub(super) value: Option<String>,
}

impl Exporter {
    /// One that code gives.
    pub(super) fn new<E: SpanExporter + 'static>(exporter: E) -> Self {
        let name = if (&exporter as &dyn Any).is::<Console>() {
            Named::Console.name()
        } else {
            std::any::type_name::<E>()
        };
        #[cfg(feature = "transport")]
        if let Some(ours) = (&exporter as &dyn Any).downcast_ref::<crate::transport::Exporter>() {
            let told = ours.settings().iter().map(|setting| {
                let origin = if setting.is_said { Origin::Code } else { Origin::Default };
                (setting.name, setting.value.clone(), origin)
            });
            let (name, settings) = (ours.name(), told.collect());
            return Self { export: Box::new(exporter), name, settings };
        }
        Self::named(exporter, name)
    }

    /// One of which there is nothing to tell but its name.
    pub(super) fn named(export: impl Export + 'static, name: &'static str) -> Self {
        Self { export: Box::new(export), name, settings: Vec::new() }
    }

    /// One that the environment names; what it has not said is as it is by default.
    #[cfg(any(feature = "otlp", feature = "zipkin"))]
    pub(super) fn told(exporter: crate::transport::Exporter, mut said: Vec<Said>) -> Self {
        let told = exporter.settings().iter().map(|setting| {
            let of_it = said.iter().position(|said| said.setting == setting.name);
            match of_it.map(|at| said.swap_remove(at)) {
                Some(Said { origin, value, .. }) => {
                    (setting.name, value.unwrap_or_else(|| setting.value.clone()), origin)
                }
                None => (setting.name, setting.value.clone(), Origin::Default),
            }
        });
        let (name, settings) = (exporter.name(), told.collect());
        Self { export: Box::new(exporter), name, settings }
    }

    /// A processor of the SDK's.
    pub(super) fn processor<P: SpanProcessor + 'static>(processor: P) -> Self {
        Self::named(Ends(processor), std::any::type_name::<P>())
    }

    /// The variables that say something of it.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.settings.iter().filter_map(|(_, _, origin)| match origin {
            Origin::Variable(variable) => Some(*variable),
            _ => None,
        })
    }

    /// Its settings, below the name that it has among others.
    pub(super) fn settings(&self, name: &str) -> impl Iterator<Item = (String, &str, Origin)> {
        self.settings
            .iter()
            .map(move |(setting, value, origin)| (format!("{name}, {setting}"), value.as_str(), *origin))
    }
}

/// What several are called, so that they can be told apart: the second of a name is `name 2`.
pub(super) fn names<'a>(all: impl IntoIterator<Item = &'a Exporter>) -> Vec<String> {
    let all: Vec<_> = all.into_iter().map(|exporter| exporter.name).collect();
    let number = |at: usize| all[..=at].iter().filter(|name| **name == all[at]).count();
    let name = |(at, name): (usize, &&str)| match number(at) {
        1 => (*name).to_owned(),
        number => format!("{name} {number}"),
    };
    all.iter().enumerate().map(name).collect()
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_exporters_have_one_name() {
        let all = ["otlp", "console", "otlp"].map(|name| Exporter::named(Console::new(), name));
        assert_eq!(names(&all), ["otlp", "console", "otlp 2"]);
    }
}

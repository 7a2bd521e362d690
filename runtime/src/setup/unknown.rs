//! Variables that look as if they were meant for tracing, and that nobody knows: mostly a slip of the pen.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::builder::Builder;
use super::explanation::clean;
use super::name::nearest;

impl Builder {
    /// Tells of names that are set and nobody knows.
    pub(super) fn tell_unknown(mut self, set: impl Iterator<Item = OsString>) -> Self {
        // Where nothing is traced, nothing is meant.
        if self.enabled.as_ref().is_some_and(|told| !told.value) {
            return self;
        }
        let known: Vec<&'static str> = self.known.iter().copied().collect();
        let names: BTreeSet<String> = set.filter_map(|name| name.into_string().ok()).collect();
        for name in names {
            if known.contains(&name.as_str()) || !is_ours(&name) {
                continue;
            }
            match nearest(&name, &known) {
                Some(meant) => {
                    self.origins.ignore(clean(&name), format!("nobody knows it; did you mean `{meant}`?"));
                }
                None if is_of_traces(&name) => self.origins.ignore(clean(&name), "nobody here knows it"),
                None => {}
            }
        }
        self
    }
}

/// Whether a name is OpenTelemetry's or one of those many teams have, so far as it goes.
fn is_ours(name: &str) -> bool {
    const BEGINNINGS: [&str; 8] =
        ["OTEL_", "OTLP_", "TRACING_", "TRACED_", "JAEGER_", "ZIPKIN_", "ENABLE_TRAC", "OTEL-"];
    /// Of other signals, and of agents for other languages.
    const OTHERS: [&str; 14] = [
        "METRIC",
        "_LOG",
        "BLRP",
        "PROMETHEUS",
        "PROFIL",
        "_JAVA",
        "_PYTHON",
        "_NODE",
        "_DOTNET",
        "_GO_",
        "_PHP",
        "_RUBY",
        "_INSTRUMENTATION_",
        "_TEST_",
    ];
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        && !OTHERS.iter().any(|other| name.contains(other))
}

fn is_of_traces(name: &str) -> bool {
    ["OTEL_TRACES_", "OTEL_BSP_", "OTEL_SPAN_", "OTEL_EXPORTER_OTLP_TRACES_", "TRACED_"]
        .iter()
        .any(|beginning| name.starts_with(beginning))
}

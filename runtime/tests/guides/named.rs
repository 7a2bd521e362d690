//! What the pages call by name is there: counters of `stats()`, lines of `explain()`, features, methods of the set-up.

use std::collections::BTreeSet;

use crate::page::{pages, read};

/// What stands in backticks.
fn marked(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

#[test]
fn counters_and_lines_that_the_pages_name_are_there() {
    let _turn = crate::exporters::turn();
    let tracing = traced::builder("shop").install().unwrap();
    let stats = format!("{:?}", tracing.stats());
    let explained = format!("\n{}ignored: ", tracing.explain());
    tracing.shutdown(crate::exporters::LONG).unwrap();

    let mut counters = BTreeSet::new();
    let mut lines = BTreeSet::new();
    for page in pages() {
        let prose = page.prose();
        for word in marked(&prose) {
            let counter = word.strip_prefix("stats().").or_else(|| word.strip_prefix("dropped."));
            for part in counter.into_iter().flat_map(|counter| counter.split('.')) {
                if !part.contains('(') {
                    counters.insert(part.to_owned());
                }
            }
            let line = word.strip_suffix(':').filter(|line| line.chars().all(|c| c.is_ascii_lowercase()));
            lines.extend(line.map(ToOwned::to_owned));
        }
    }
    for counter in &counters {
        assert!(stats.contains(&format!("{counter}: ")), "`{counter}` is none of {stats}");
    }
    for line in &lines {
        // `traced:` is before what is said on stderr.
        assert!(
            line == "traced" || explained.contains(&format!("\n{line}: ")),
            "`{line}:` is no line of{explained}"
        );
    }
    assert!(counters.len() > 8 && lines.len() > 4, "{counters:?} {lines:?}");
}

#[test]
fn features_that_the_pages_name_are_there() {
    let manifest = read("runtime/Cargo.toml");
    let mut features = BTreeSet::new();
    for page in pages() {
        let prose = page.prose();
        for after in prose.split("eature `").skip(1).chain(prose.split("eatures `").skip(1)) {
            features.insert(after.split('`').next().unwrap().to_owned());
        }
    }
    for feature in &features {
        assert!(manifest.contains(&format!("\n{feature} = [")), "there is no feature `{feature}`");
    }
    assert!(features.len() > 4, "{features:?}");
}

#[test]
fn examples_that_the_pages_run_are_there() {
    let manifests = read("examples/Cargo.toml") + &read("runtime/Cargo.toml");
    let mut examples = BTreeSet::new();
    for page in pages() {
        for after in page.text.split("--example ").skip(1) {
            examples
                .insert(after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned());
        }
    }
    examples.remove("NAME");
    examples.remove("");
    for example in &examples {
        assert!(manifests.contains(&format!("name = \"{example}\"")), "there is no example `{example}`");
    }
    assert!(examples.len() > 1, "{examples:?}");
}

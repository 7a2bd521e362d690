//! The alert rules that the guides hand out, in the hands of Prometheus' own tool.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::receiver::{receivers, skipped};

/// Rules are below `groups`, tests of rules below what names the rules' files.
fn files_with(folder: &Path, key: &str) -> Vec<PathBuf> {
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"))
        .filter(|path| std::fs::read_to_string(path).unwrap().lines().any(|line| line.starts_with(key)))
        .collect();
    files.sort();
    files
}

fn promtool(verb: &str, key: &str) {
    let Some([promtool]) = receivers(["PROMTOOL"]) else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/prometheus");
    if !folder.exists() {
        return skipped("there are no rules in `docs/prometheus`");
    }
    let files = files_with(&folder, key);
    assert!(!files.is_empty(), "no file in `docs/prometheus` has `{key}`");
    let output = Command::new(promtool).args([verb, "rules"]).args(files).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
}

#[test]
fn prometheus_accepts_every_rule() {
    promtool("check", "groups:");
}

#[test]
fn every_rule_fires_when_it_should_and_only_then() {
    promtool("test", "rule_files:");
}

//! YAML as the configurations have it, asked by path.

use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use crate::page::read;

/// The documents of a file.
pub(crate) fn load(path: impl AsRef<Path>) -> Vec<Yaml> {
    parse(&read(&path), &path.as_ref().display().to_string())
}

pub(crate) fn parse(text: &str, place: &str) -> Vec<Yaml> {
    // A key given twice is an error here, as it is for whoever reads these files.
    YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{place}: {error}"))
}

/// The keys of a map, or none.
pub(crate) fn keys(yaml: &Yaml) -> Vec<&str> {
    entries(yaml).into_iter().map(|(key, _)| key).collect()
}

pub(crate) fn entries(yaml: &Yaml) -> Vec<(&str, &Yaml)> {
    let Yaml::Hash(map) = yaml else { return Vec::new() };
    map.iter().map(|(key, value)| (key.as_str().expect("a key is a text"), value)).collect()
}

pub(crate) fn texts(yaml: &Yaml) -> Vec<&str> {
    yaml.as_vec().into_iter().flatten().filter_map(Yaml::as_str).collect()
}

/// Every value with its path: `policies[].latency.threshold_ms`.
pub(crate) fn leaves<'a>(yaml: &'a Yaml, path: &str, found: &mut Vec<(String, &'a Yaml)>) {
    match yaml {
        Yaml::Hash(_) => {
            for (key, value) in entries(yaml) {
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                leaves(value, &path, found);
            }
        }
        Yaml::Array(list) => {
            for value in list {
                leaves(value, &format!("{path}[]"), found);
            }
        }
        _ => found.push((path.to_owned(), yaml)),
    }
}

//! The pages, and the blocks of code on them.

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `docs/` with such an ending.
pub(crate) fn files(ending: &str) -> Vec<PathBuf> {
    fn below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, ending, found);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&root().join("docs"), ending, &mut found);
    found.sort();
    assert!(!found.is_empty(), "nothing in docs/ ends in `{ending}`");
    found
}

/// The guides, and the README that leads to them.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = files("md");
    paths.push(root().join("README.md"));
    paths.into_iter().map(|path| Page { text: read(&path), path }).collect()
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// What stands between two fences.
#[derive(Debug)]
pub(crate) struct Block {
    /// The page and the line.
    pub(crate) place: String,
    /// What follows the opening fence.
    pub(crate) info: String,
    /// The comment in the line before it, without its signs.
    pub(crate) note: String,
    pub(crate) text: String,
}

impl Page {
    /// As one names it from the top of the repository.
    pub(crate) fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut before = "";
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let text: Vec<_> =
                    lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
                let note = before.strip_prefix("<!-- ").and_then(|note| note.strip_suffix(" -->"));
                blocks.push(Block {
                    place: format!("{}:{}", self.name(), number + 1),
                    info: info.to_owned(),
                    note: note.unwrap_or_default().to_owned(),
                    text: text.join("\n"),
                });
            }
            before = line;
        }
        blocks
    }

    /// The page without what stands between fences.
    pub(crate) fn prose(&self) -> String {
        let mut inside = false;
        let outside = self.text.lines().filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        });
        outside.collect::<Vec<_>>().join("\n")
    }
}

/// A line as it is at every run: without times, shares, bars, ids and ports.
pub(crate) fn steady(line: &str) -> String {
    let words = line.split_whitespace().filter_map(|word| {
        let is_bar = word.chars().all(|c| "━╺╸╍".contains(c));
        if is_bar || word.ends_with(['%', '×']) || word == "self" {
            return None;
        }
        let is_id = [16, 32].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id {
            return Some("ID".to_owned());
        }
        if is_time(word.trim_start_matches('+')) {
            // What stands beside a bar is left out where there is no room.
            return Some("TIME".to_owned());
        }
        match word.split_once("server.port=") {
            Some(_) => Some("server.port=PORT".to_owned()),
            None => Some(word.to_owned()),
        }
    });
    let mut line = words.collect::<Vec<_>>().join(" ");
    // The time of a span itself, after its bar.
    while let Some(shorter) = line.strip_suffix(" TIME TIME") {
        line = format!("{shorter} TIME");
    }
    line
}

fn is_time(word: &str) -> bool {
    let number = word.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = &word[number.len()..];
    ["ns", "µs", "ms", "s", "m"].contains(&unit) && number.parse::<f64>().is_ok()
}

#[test]
fn a_line_is_the_same_at_every_run() {
    let one = "├─ ✗ charge  client   35.6µs   <1%  ╸╍━╺   self 22.7µs";
    let other = "├─ ✗ charge  client   1.2ms   7%";
    let longest = "├─ ✗ charge  client   1.2s   >10×  ╺━";
    assert_eq!(steady(one), "├─ ✗ charge client TIME");
    assert_eq!(steady(one), steady(other));
    assert_eq!(steady(one), steady(longest));
    assert_eq!(
        steady("│  • +9ms  retry.wait  attempt=1  pause=0.01"),
        "│ • TIME retry.wait attempt=1 pause=0.01"
    );
    assert_eq!(
        steady("→ trace f4ecb72dacc485927b5f1b116a5d71f5 span 9d53649745c71ee2"),
        "→ trace ID span ID"
    );
    assert_ne!(steady("├─ charge"), steady("├─ ✗ charge"));
}

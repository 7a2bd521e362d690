//! Rust on the pages is either run as documentation, or is, line for line, what a file of this repository has.

use crate::page::{pages, read, root};

#[test]
fn rust_on_a_page_is_tested_or_quoted() {
    let tested = read("runtime/src/guides.rs");
    let mut quotes = 0;
    for page in pages() {
        let is_tested = page.name() == "README.md" || tested.contains(&format!("../../{}\"", page.name()));
        for block in page.blocks() {
            let place = &block.place;
            assert!(!block.info.contains("ignore"), "{place}: nobody runs this");
            assert!(!block.info.is_empty(), "{place}: say what it is");
            match (block.note.strip_prefix("from "), block.info.as_str()) {
                (Some(file), "rust") => {
                    quotes += 1;
                    assert!(
                        !is_tested,
                        "{place}: this page is run as documentation, so a quote would be too"
                    );
                    quoted(place, file, &block.text);
                }
                (None, info) if info.starts_with("rust") => {
                    assert!(is_tested, "{place}: name the page in runtime/src/guides.rs");
                }
                _ => {}
            }
        }
    }
    assert!(quotes > 8, "only {quotes} quotes were found");
}

/// Parts between `// …` stand in the file one after the other, whole lines each.
fn quoted(place: &str, file: &str, text: &str) {
    let source = read(file);
    let mut rest = source.as_str();
    for part in text.split("// …\n") {
        let part = format!("\n{}\n", part.trim_end_matches('\n'));
        let Some((_, after)) = rest.split_once(&part) else {
            panic!("{place}: {file} has no such lines:{part}");
        };
        rest = after;
    }
}

#[test]
fn every_pattern_is_on_the_page_and_shows_its_code_and_its_trace() {
    let page = pages().into_iter().find(|page| page.name() == "docs/patterns.md").unwrap();
    let notes: Vec<_> = page.blocks().into_iter().map(|block| block.note).collect();
    for entry in std::fs::read_dir(root().join("examples/patterns")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".rs").unwrap();
        let shown =
            |note: &str| notes.iter().any(|other| other == note || other.starts_with(&format!("{note},")));
        assert!(shown(&format!("from examples/patterns/{file}")), "{name} has no code on the page");
        assert!(shown(&format!("printed by {name}")), "{name} has no trace on the page");
    }
}

//! What a page says an example prints, it prints.

use std::process::{Command, Stdio};

use crate::page::{pages, root, steady};

/// What the example says on stderr, which is where the console writes.
fn printed(example: &str) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--example", example]).current_dir(root()).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if ["OTEL_", "TRACING_", "TRACED_", "ENABLE_TRACING", "COLUMNS", "CLICOLOR"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(&variable);
        }
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{example}: {said}");
    said
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(steady).collect()
}

#[test]
fn an_example_prints_what_the_page_shows() {
    let mut count = 0;
    for page in pages() {
        for block in page.blocks() {
            let Some(example) = block.note.strip_prefix("printed by ") else { continue };
            count += 1;
            let (example, in_order) = match example.split_once(", in any order") {
                Some((example, _)) => (example, false),
                None => (example, true),
            };
            let said = printed(example);
            for trace in block.text.split("\n\n") {
                let shown = lines(trace);
                let found = said.split("\n\n").any(|said| {
                    let mut said = lines(said);
                    let mut shown = shown.clone();
                    if !in_order {
                        // The last one has another branch.
                        for lines in [&mut said, &mut shown] {
                            for line in lines.iter_mut() {
                                *line = line.replace('└', "├");
                            }
                            lines.sort();
                        }
                    }
                    said == shown
                });
                assert!(found, "{}: {example} does not print\n{trace}\nbut\n{said}", block.place);
            }
        }
    }
    assert!(count > 8, "only {count} were found");
}

//! Where the receivers are, as `.ci/receivers` says, and what they got.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

const DECODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/receivers/decode.py");

/// The address or the program of each receiver; `None` where the test is to be skipped, which has been said then.
pub(crate) fn receivers<const N: usize>(names: [&str; N]) -> Option<[String; N]> {
    let found = names.map(|name| std::env::var(format!("RECEIVER_{name}")).ok());
    let absent = names.iter().zip(&found).find(|(_, found)| found.is_none());
    if let Some((name, _)) = absent {
        let reason = std::env::var(format!("RECEIVER_{name}_MISSING"))
            .unwrap_or_else(|_| "start the receivers: `.ci/receivers cargo test …`".to_owned());
        assert!(!is_ci(), "`{name}` is missing, and `CI=true` skips nothing: {reason}");
        skipped(&format!("there is no `{name}`; {reason}"));
        return None;
    }
    Some(found.map(Option::unwrap_or_default))
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// A line that is seen where tests pass, too: not through `eprintln!`, which libtest keeps to itself.
pub(crate) fn skipped(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    // In one piece, since other tests write, too.
    let _ = std::io::stderr().write_all(format!("skipped {test}: {reason}\n").as_bytes());
}

/// What ddapm-test-agent at `address` got from `service`, a paragraph for each span.
pub(crate) fn received(address: &str, service: &str) -> Vec<String> {
    let [python] = receivers(["PYTHON"]).expect("where there is an agent, there is Python");
    let output = Command::new(python).args([DECODE, address, service]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    told.split_terminator("\n\n").map(str::to_owned).collect()
}

/// The same, as soon as there are so many: a collector in the middle takes its time.
pub(crate) fn received_in_time(address: &str, service: &str, count: usize) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let spans = received(address, service);
        if spans.len() >= count || Instant::now() > until {
            return spans;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Whether two texts are the same; where they are not, the first lines that differ are told.
#[track_caller]
pub(crate) fn same(found: &str, expected: &str) {
    if found != expected {
        let lines = found.lines().zip(expected.lines()).enumerate();
        let differs = lines.filter(|(_, (found, expected))| found != expected).take(5);
        let told = differs.map(|(n, (found, expected))| format!("{n}: {found}\n   {expected}  (expected)"));
        let (found, told) = (found, told.collect::<Vec<_>>().join("\n"));
        panic!(
            "these lines differ:\n{told}\nin all of it, {} lines beside {}:\n{found}",
            found.lines().count(),
            expected.lines().count()
        );
    }
}

/// As the scripts in Python write a text: printable ASCII as it is, all else by its number.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |char: char| matches!(char, ' '..='~') && char != '"' && char != '\\';
    let char = |char: char| if plain(char) { char.to_string() } else { format!("\\u{{{:x}}}", char as u32) };
    format!("\"{}\"", text.chars().map(char).collect::<String>())
}

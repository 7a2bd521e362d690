//! Each misuse with what the compiler says of it, and odd code that must compile.
//!
//! `tests/fail/<class of fault>/<fault>.rs` must not compile; what the compiler says stands in the `.stderr` beside
//! it, as the snapshot. `tests/pass/*.rs` must compile and run.
//!
//! The snapshots are of rustc [`PINNED`]: the compiler's own words around ours change from version to version. After
//! a change of a message, or with a new compiler, bless them and read the difference:
//!
//! ```sh
//! TRYBUILD=overwrite cargo +1.95.0 test -p ui-tests
//! ```
//!
//! Under any other compiler no text is compared, and the test says so; that every misuse is refused holds for all of
//! them and is always tested, in CI as at a desk.

use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// The compiler whose words the snapshots are.
const PINNED: &str = "1.95.0";

/// Set for the process that looks at no snapshots: the folder it may write what the compiler says to.
const SCRATCH: &str = "UI_TESTS_SCRATCH";

#[test]
fn odd_code_compiles() {
    if env::var_os(SCRATCH).is_none() {
        trybuild::TestCases::new().pass("tests/pass/*.rs");
    }
}

#[test]
fn misuse_is_refused() {
    if let Some(scratch) = env::var_os(SCRATCH) {
        trybuild::TestCases::new().compile_fail(Path::new(&scratch).join("**/*.rs"));
        return;
    }
    let compiler = compiler();
    if compiler.split(' ').nth(1) == Some(PINNED) {
        trybuild::TestCases::new().compile_fail("tests/fail/**/*.rs");
    } else {
        println!("no messages were compared: they are of rustc {PINNED}, and this is {compiler}");
        still_refused();
    }
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().expect("rustc runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Every case must fail, whatever the words: trybuild compares nothing while it overwrites, so it overwrites a copy.
fn still_refused() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fail");
    copy(Path::new("tests/fail"), &scratch).expect("the cases can be copied");
    let status = Command::new(env::current_exe().expect("this is a program"))
        .args(["--exact", "misuse_is_refused", "--nocapture"])
        .env(SCRATCH, &scratch)
        .env("TRYBUILD", "overwrite")
        .status();
    assert!(status.expect("it starts again").success(), "a misuse was accepted");
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

//! A test in a process of its own, for what may end that process, or never end.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const INSIDE: &str = "TRACED_TEST_INSIDE";

/// How such a process ended, and what it said on stderr.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Ran {
    /// The process has done all it had to.
    pub(crate) fn assert_success(&self) {
        assert!(self.status.success(), "{}: {}", self.status, self.said);
    }
}

/// Runs `test` of this file once more, in a process of its own. Inside of that one it is `None`.
pub(crate) fn of_its_own(test: &str, timeout: Duration) -> Option<Ran> {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return None;
    }
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, test)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = process.stderr.take().unwrap();
    let (read, said) = channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        // Whatever came is worth showing.
        let _ = stderr.read_to_end(&mut text);
        let _ = read.send(String::from_utf8_lossy(&text).into_owned());
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > timeout {
            process.kill().unwrap();
            let _ = process.wait();
            let said = said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            panic!("`{test}` did not end within {timeout:?}: {said}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    // A process that it started may still hold the other end.
    let said = said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    Some(Ran { status, said })
}

//! Services, each a process of its own: there is one set-up at a time, and the environment is read once.

use std::process::{Command, Stdio};

const ROLE: &str = "TRACED_TEST_ROLE";
/// What the child calls itself.
pub(crate) const SERVICE: &str = "OTEL_SERVICE_NAME";

/// A child's variables.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// The command that plays a role, with these variables and no other that would count.
pub(crate) fn child(role: &str, variables: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let kept = ["PATH", "LD_LIBRARY_PATH", "SystemRoot", "CI"];
    command
        .args(["child::the_process_that_is_started", "--exact", "--nocapture"])
        .env_clear()
        .envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs(std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RECEIVER_")))
        .env(ROLE, role)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// What a child says on stderr, which has to end well.
pub(crate) fn said_by(role: &str, variables: &[(&'static str, String)]) -> String {
    let output = child(role, variables).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// What stands after `key` in what a child said.
pub(crate) fn told<'a>(said: &'a str, key: &str) -> &'a str {
    let value = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("nothing about `{key}` in:\n{said}"))
}

/// A service nobody else here is called, so that what arrives can be told apart.
pub(crate) fn service(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// What every role is played by; in the process of the tests it does nothing.
#[test]
fn the_process_that_is_started() {
    match std::env::var(ROLE).as_deref() {
        Ok("every field") => crate::fields::every_field(),
        Ok("one span") => crate::fields::one_span(),
        Ok("secrets") => crate::middle::secrets(),
        Ok("propagation") => crate::propagation::both_ways(),
        Ok("spoiled") => crate::propagation::spoiled(),
        Ok("one trace") => crate::servers::one_trace(),
        #[cfg(unix)]
        Ok("under load") => crate::load::under_load(),
        #[cfg(unix)]
        Ok("many names") => crate::load::many_names(),
        #[cfg(unix)]
        Ok("storm") => crate::load::storm(),
        Ok(role) => panic!("nobody plays `{role}`"),
        Err(_) => {}
    }
}

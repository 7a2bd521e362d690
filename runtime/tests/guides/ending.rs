//! A service that gets SIGTERM in the middle of a request, as the guide has it, loses no span.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::page::root;

#[test]
fn a_request_under_way_when_sigterm_comes_is_answered_and_its_span_exported() {
    let build = ["build", "--quiet", "--example", "shutdown"];
    assert!(Command::new(env!("CARGO")).args(build).current_dir(root()).status().unwrap().success());
    // Tests stand in `deps`, examples beside it.
    let here = std::env::current_exe().unwrap();
    let example = here.parent().unwrap().parent().unwrap().join("examples/shutdown");
    let mut service = Command::new(example)
        .env_remove("OTEL_SDK_DISABLED")
        .env_remove("ENABLE_TRACING")
        .env("OTEL_TRACES_EXPORTER", "console")
        .env("OTEL_TRACES_SAMPLER", "always_on")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();

    let mut request = TcpStream::connect(&address).unwrap();
    request.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    // It takes 200 ms to answer; by now it has begun, and has not.
    thread::sleep(Duration::from_millis(50));
    assert!(Command::new("kill").args(["-TERM", &service.id().to_string()]).status().unwrap().success());

    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("welcome\n"), "{answer}");
    let output = service.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("shop ▸ GET /") && said.contains("1 span"), "{said}");
}

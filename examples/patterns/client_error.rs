//! Not every error is an outage: what the client did wrong is recorded, and the span has not failed.
//!
//! `cargo run --example client_error`
//!
//! `Failure` lets an error say so itself, once, for every function that returns it; `error_if` says so for one function.
//! And a side step may fail without failing the operation: its own span shows it, its parent's does not.

use std::fmt;

use traced::{Failure, traced};

#[derive(Debug)]
enum Refused {
    NoSuchUser(u64),
    DatabaseGone,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchUser(id) => write!(f, "no user {id}"),
            Self::DatabaseGone => f.write_str("the database is gone"),
        }
    }
}

impl std::error::Error for Refused {}

impl Failure for Refused {
    fn error_type(&self) -> &str {
        match self {
            Self::NoSuchUser(_) => "no_such_user",
            Self::DatabaseGone => "database_gone",
        }
    }

    fn is_fault(&self) -> bool {
        matches!(self, Self::DatabaseGone)
    }

    fn message(&self) -> String {
        self.to_string()
    }
}

#[traced(attr("user.id" = id))]
fn load(id: u64) -> Result<&'static str, Refused> {
    match id {
        1 => Ok("ada"),
        0 => Err(Refused::DatabaseGone),
        _ => Err(Refused::NoSuchUser(id)),
    }
}

#[traced(attr("user.id" = id))]
fn greet(id: u64) -> Result<String, Refused> {
    let name = load(id)?;
    // The greeting does not depend on its being counted.
    if count(name).is_err() {
        traced::event!("greeting.not_counted");
    }
    Ok(format!("hello {name}"))
}

#[traced]
fn count(_name: &str) -> Result<(), &'static str> {
    Err("the counter does not answer")
}

fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("greeter")?;
    for id in [1, 2, 0] {
        println!("{:?}", greet(id).map_err(|refused| refused.to_string()));
    }
    Ok(())
}

#[test]
fn a_client_error_leaves_the_status_unset_and_a_fault_does_not() {
    let (_, trace) = traced::testing::capture(|| greet(2));
    for name in ["greet", "load"] {
        assert_eq!(trace.span(name).status(), "unset", "{trace}");
    }
    assert_eq!(trace.span("load").event("exception").attribute("exception.message"), "no user 2");

    let (_, trace) = traced::testing::capture(|| greet(0));
    assert_eq!(trace.span("greet").status(), "error: the database is gone");
}

#[test]
fn a_side_step_fails_alone() {
    let (greeting, trace) = traced::testing::capture(|| greet(1));
    assert_eq!(greeting.unwrap(), "hello ada");
    assert_eq!(trace.span("count").status(), "error: the counter does not answer");
    assert_eq!(trace.span("greet").status(), "unset");
    assert!(trace.span("greet").has_event("greeting.not_counted"));
}

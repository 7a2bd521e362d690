//! A span only where it is worth one: `when` asks about the arguments.
//!
//! `cargo run --example conditional`
//!
//! Where `when` is false the call has no span, none of its attributes is evaluated, and what it calls hangs below the caller's.

use traced::traced;

#[traced(attr(tables = tables.len()))]
fn refresh(tables: &[(&str, u32)]) {
    for &(name, rows) in tables {
        copy(name, rows);
    }
}

/// Thousands of small tables would bury the few that take long.
#[traced(when = rows > 1_000, attr("table.name" = name, "table.checksum" = checksum(name, rows)))]
fn copy(name: &str, rows: u32) {
    index(name);
    let _ = rows;
}

#[traced(attr("table.name" = name))]
fn index(name: &str) {
    let _ = name;
}

fn checksum(name: &str, rows: u32) -> String {
    format!("{:08x}", name.bytes().fold(rows, |sum, byte| sum.rotate_left(5) ^ u32::from(byte)))
}

fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("mirror")?;
    refresh(&[("countries", 200), ("orders", 1_000_000)]);
    Ok(())
}

#[test]
fn a_call_that_is_left_out_leaves_its_callees_to_its_caller() {
    let ((), trace) = traced::testing::capture(|| refresh(&[("countries", 200), ("orders", 1_000_000)]));
    assert_eq!(trace.named("copy").count(), 1);
    assert!(trace.span("refresh").attribute("table.checksum").is_none());
    let below: Vec<_> = trace.named("index").map(|index| index.parent().unwrap()).collect();
    assert_eq!(below, ["refresh", "copy"]);
}

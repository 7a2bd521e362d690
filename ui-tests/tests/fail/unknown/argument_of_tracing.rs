// What those who come from `tracing` write.
use traced::traced;

#[traced(level = "info")]
fn first() {}

#[traced(skip_all)]
fn second() {}

#[traced(fields(id = 1))]
fn third() {}

#[traced(err)]
fn fourth() -> Result<(), String> {
    Ok(())
}

fn main() {
    first();
    second();
    third();
    _ = fourth();
}

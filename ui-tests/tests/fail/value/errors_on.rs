use traced::traced;

#[traced(errors = on)]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

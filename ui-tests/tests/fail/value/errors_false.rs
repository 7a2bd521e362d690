use traced::traced;

#[traced(errors = false)]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

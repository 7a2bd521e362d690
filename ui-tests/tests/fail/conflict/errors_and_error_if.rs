use traced::traced;

#[traced(errors = off, error_if(e => e.is_empty()))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

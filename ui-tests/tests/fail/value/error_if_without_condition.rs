use traced::traced;

#[traced(error_if(e =>))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

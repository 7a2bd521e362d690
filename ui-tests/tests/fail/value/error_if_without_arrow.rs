use traced::traced;

#[traced(error_if(true))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

use traced::traced;

#[traced(error_if(404 => false))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

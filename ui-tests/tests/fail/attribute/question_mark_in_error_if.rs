use traced::traced;

#[traced(error_if(e => e.parse::<bool>()?))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

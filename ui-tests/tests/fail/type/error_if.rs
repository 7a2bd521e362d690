use traced::traced;

#[traced(error_if(e => e.len()))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

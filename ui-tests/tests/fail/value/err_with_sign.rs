use traced::traced;

#[traced(err(?))]
fn load() -> Result<u64, String> {
    Ok(1)
}

fn main() {
    _ = load();
}

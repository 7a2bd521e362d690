use traced::traced;

#[traced(ok((a, b) => a, b))]
fn load() -> Result<u64, String> {
    Ok(1)
}

fn main() {
    _ = load();
}

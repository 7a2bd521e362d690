use traced::traced;

#[traced(ok(id = 1))]
fn load() -> Result<u64, String> {
    Ok(1)
}

fn main() {
    _ = load();
}

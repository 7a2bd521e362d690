use traced::traced;

#[traced(ok)]
fn load() -> Result<u64, String> {
    Ok(1)
}

fn main() {
    _ = load();
}

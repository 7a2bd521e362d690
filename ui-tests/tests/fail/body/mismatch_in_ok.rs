use traced::traced;

#[traced]
fn load() -> Result<u64, String> {
    Ok("load")
}

fn main() {
    _ = load();
}

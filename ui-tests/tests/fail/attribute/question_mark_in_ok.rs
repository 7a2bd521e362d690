use traced::traced;

#[traced(ok(text => size = text.parse::<u64>()?))]
fn load() -> Result<String, std::num::ParseIntError> {
    Ok("1".to_owned())
}

fn main() {
    _ = load();
}

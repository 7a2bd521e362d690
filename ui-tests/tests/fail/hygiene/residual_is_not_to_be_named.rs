use traced::traced;

#[traced]
#[track_caller]
fn load(text: &str) -> Result<u64, std::num::ParseIntError> {
    Ok(text.parse::<u64>()? + value)
}

fn main() {
    _ = load("1");
}

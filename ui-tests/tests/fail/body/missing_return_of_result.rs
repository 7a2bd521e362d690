use traced::traced;

#[traced]
fn load(text: &str) -> Result<(), std::num::ParseIntError> {
    text.parse::<u64>()?;
}

fn main() {
    _ = load("1");
}

use traced::traced;

#[traced(attr(size = text.parse::<u64>()?))]
fn load(text: &str) -> Result<u64, std::num::ParseIntError> {
    text.parse()
}

fn main() {
    _ = load("1");
}

use traced::traced;

#[traced]
async fn load(text: &str) -> Result<(), std::num::ParseIntError> {
    text.parse::<u64>()?;
}

fn main() {
    drop(load("1"));
}

use traced::traced;

#[traced]
fn load(text: &str) -> u64 {
    text.parse::<u64>()?
}

fn main() {
    load("1");
}

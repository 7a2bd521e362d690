use traced::traced;

#[traced]
fn load(text: &str) {
    text.parse::<u64>()?;
}

fn main() {
    load("1");
}

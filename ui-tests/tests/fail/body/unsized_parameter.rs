use traced::traced;

#[traced]
fn load(text: str) {}

fn main() {}

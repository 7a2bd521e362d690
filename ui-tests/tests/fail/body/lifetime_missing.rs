use traced::traced;

#[traced]
fn load(a: &str, b: &str) -> &str {
    if a.is_empty() { b } else { a }
}

fn main() {
    load("a", "b");
}

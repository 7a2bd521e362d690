use traced::traced;

#[traced]
fn load<'a, 'b>(a: &'a str, b: &'b str) -> &'a str {
    if a.is_empty() { b } else { a }
}

fn main() {
    load("a", "b");
}

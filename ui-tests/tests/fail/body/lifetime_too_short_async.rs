use traced::traced;

#[traced]
async fn load<'a, 'b>(a: &'a str, b: &'b str) -> &'a str {
    if a.is_empty() { b } else { a }
}

fn main() {
    drop(load("a", "b"));
}

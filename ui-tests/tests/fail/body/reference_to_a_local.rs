use traced::traced;

#[traced]
fn load<'a>() -> &'a str {
    let text = String::new();
    &text
}

fn main() {
    load();
}

use traced::traced;

#[traced]
fn load<'a>(text: String) -> &'a str {
    text.as_str()
}

fn main() {
    load(String::new());
}

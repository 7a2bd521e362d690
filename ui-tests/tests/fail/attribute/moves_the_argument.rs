use traced::traced;

#[traced(attr(size = text.into_bytes().len()))]
fn load(text: String) -> String {
    text
}

fn main() {
    load(String::new());
}

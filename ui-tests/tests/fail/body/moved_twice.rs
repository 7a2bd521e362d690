use traced::traced;

#[traced]
fn load(text: String) -> String {
    drop(text);
    text
}

fn main() {
    load(String::new());
}

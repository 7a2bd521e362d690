use traced::traced;

#[traced]
async fn load<'a>(text: String) -> &'a str {
    text.as_str()
}

fn main() {
    drop(load(String::new()));
}

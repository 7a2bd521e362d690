use traced::traced;

#[traced]
async fn load(text: String) -> String {
    drop(text);
    text
}

fn main() {
    drop(load(String::new()));
}

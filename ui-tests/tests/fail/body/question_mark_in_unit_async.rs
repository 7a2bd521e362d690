use traced::traced;

#[traced]
async fn load(text: &str) {
    text.parse::<u64>()?;
}

fn main() {
    drop(load("1"));
}

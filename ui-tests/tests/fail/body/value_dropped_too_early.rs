use traced::traced;

#[traced]
fn load() -> usize {
    let text: &str;
    {
        let owned = String::from("load");
        text = &owned;
    }
    text.len()
}

fn main() {
    load();
}

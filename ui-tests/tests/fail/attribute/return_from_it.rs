use traced::traced;

#[traced(attr(size = if text.is_empty() { return 0 } else { text.len() }))]
fn load(text: &str) -> usize {
    text.len()
}

fn main() {
    load("1");
}

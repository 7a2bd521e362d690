use traced::traced;

#[traced]
fn load(text: &str) -> usize {
    std::thread::spawn(|| text.len()).join().unwrap_or(0)
}

fn main() {
    load("1");
}

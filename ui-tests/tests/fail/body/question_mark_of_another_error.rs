use traced::traced;

struct Fault;

#[traced]
fn load(text: &str) -> Result<u64, Fault> {
    Ok(text.parse::<u64>()?)
}

fn main() {
    _ = load("1");
}

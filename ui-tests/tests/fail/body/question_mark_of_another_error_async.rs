use traced::traced;

struct Fault;

#[traced]
async fn load(text: &str) -> Result<u64, Fault> {
    Ok(text.parse::<u64>()?)
}

fn main() {
    drop(load("1"));
}

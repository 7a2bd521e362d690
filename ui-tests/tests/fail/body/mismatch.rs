use traced::traced;

#[traced]
fn load() -> u64 {
    let name = "load";
    name
}

fn main() {
    load();
}

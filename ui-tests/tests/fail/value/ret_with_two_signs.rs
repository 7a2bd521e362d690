use traced::traced;

#[traced(ret(?, %))]
fn load() -> u64 {
    1
}

fn main() {
    load();
}

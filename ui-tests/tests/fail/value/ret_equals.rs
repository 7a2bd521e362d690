use traced::traced;

#[traced(ret = id)]
fn load() -> u64 {
    1
}

fn main() {
    load();
}

use traced::traced;

#[traced(error_if(e => e.is_fault()))]
fn load() -> u64 {
    1
}

fn main() {
    load();
}

use traced::traced;

unsafe fn id() -> u64 {
    1
}

#[traced]
fn load() -> u64 {
    id()
}

fn main() {
    load();
}

use traced::traced;

#[traced]
#[track_caller]
fn load() -> u64 {
    let name = "load";
    name
}

fn main() {
    load();
}

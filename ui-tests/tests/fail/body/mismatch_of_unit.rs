use traced::traced;

#[traced]
fn load() {
    1
}

fn main() {
    load();
}

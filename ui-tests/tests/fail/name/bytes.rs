use traced::traced;

#[traced(name = b"load")]
fn load() {}

fn main() {
    load();
}

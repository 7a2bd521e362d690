use traced::traced;

#[traced(root = true)]
fn load() {}

fn main() {
    load();
}

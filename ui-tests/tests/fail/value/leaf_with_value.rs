use traced::traced;

#[traced(leaf = true)]
fn load() {}

fn main() {
    load();
}

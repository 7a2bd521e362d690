use traced::traced;

#[traced(leaf, leaf)]
fn load() {}

fn main() {
    load();
}

use traced::traced;

#[traced(root())]
fn load() {}

fn main() {
    load();
}

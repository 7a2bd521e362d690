use traced::traced;

#[traced(root(caller))]
fn load() {}

fn main() {
    load();
}

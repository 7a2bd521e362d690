use traced::traced;

#[traced(propagate)]
fn load() {}

fn main() {
    load();
}

use traced::traced;

#[traced(leaf,, kind = server)]
fn load() {}

fn main() {
    load();
}

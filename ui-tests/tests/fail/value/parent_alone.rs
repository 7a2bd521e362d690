use traced::traced;

#[traced(parent)]
fn load() {}

fn main() {
    load();
}

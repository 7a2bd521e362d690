use traced::traced;

#[traced(kind = 2)]
fn load() {}

fn main() {
    load();
}

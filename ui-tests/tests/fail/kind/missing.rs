use traced::traced;

#[traced(kind)]
fn load() {}

fn main() {
    load();
}

use traced::traced;

#[traced(attr(size = break))]
fn load() {}

fn main() {
    load();
}

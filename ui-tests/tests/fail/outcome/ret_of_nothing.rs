use traced::traced;

#[traced(ret)]
fn load() {}

fn main() {
    load();
}

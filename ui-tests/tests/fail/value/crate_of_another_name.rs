use traced::traced;

#[traced(crate = traces)]
fn load() {}

fn main() {
    load();
}

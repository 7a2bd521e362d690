use traced::traced;

#[traced(ok(order => order))]
fn load() {}

fn main() {
    load();
}

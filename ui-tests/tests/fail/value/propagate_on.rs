use traced::traced;

#[traced(propagate = on)]
fn load() {}

fn main() {
    load();
}

use traced::traced;

#[traced(kind = sever)]
fn load() {}

#[traced(kind = cleint)]
fn store() {}

fn main() {
    load();
    store();
    traced::set!();
}

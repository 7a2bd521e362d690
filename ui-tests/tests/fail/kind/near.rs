use traced::traced;

#[traced(kind = sever)]
fn load() {}

fn main() {
    load();
}

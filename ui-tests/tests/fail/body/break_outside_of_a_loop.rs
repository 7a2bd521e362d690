use traced::traced;

#[traced]
fn load() {
    break;
}

fn main() {
    load();
}

use traced::traced;

#[traced]
fn load() {
    _ = &SITE;
}

fn main() {
    load();
}

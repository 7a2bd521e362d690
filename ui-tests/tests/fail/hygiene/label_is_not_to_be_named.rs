use traced::traced;

#[traced]
#[track_caller]
fn load() {
    break '__traced;
}

fn main() {
    load();
}

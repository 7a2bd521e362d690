use traced::traced;

#[traced]
#[traced(kind = server)]
fn load() {}

fn main() {
    load();
}

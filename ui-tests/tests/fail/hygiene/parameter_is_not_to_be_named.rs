use traced::traced;

#[traced]
fn load(_: String) {
    _ = __traced_0;
}

fn main() {
    load(String::new());
}

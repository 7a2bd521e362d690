use traced::traced;

#[traced(nmae = "load", kind = sever, errors = on, leaf = true, name = "")]
fn load() {}

fn main() {
    load();
}

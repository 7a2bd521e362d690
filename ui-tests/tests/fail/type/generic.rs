use traced::traced;

#[traced(attr(id))]
fn load<T>(id: T) {
    drop(id);
}

fn main() {
    load(1);
}

use traced::traced;

#[traced]
fn load<T>(id: T) -> T {
    id.clone()
}

fn main() {
    load(1);
}

use traced::traced;

#[traced]
async fn load<T>(id: T) -> String {
    id.to_string()
}

fn main() {
    drop(load(1));
}

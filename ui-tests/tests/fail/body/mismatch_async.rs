use traced::traced;

#[traced]
async fn load() -> u64 {
    let name = "load";
    name
}

fn main() {
    drop(load());
}

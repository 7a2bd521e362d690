use traced::traced;

#[traced]
async fn load() -> Result<u64, String> {
    Ok("load")
}

fn main() {
    drop(load());
}

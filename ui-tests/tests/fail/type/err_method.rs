use traced::traced;

#[traced(err(e => code = e.status()))]
async fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    drop(load());
}

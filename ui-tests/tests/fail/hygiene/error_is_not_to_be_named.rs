use traced::traced;

#[traced(error_if(e => __traced_error == e))]
fn load() -> Result<(), String> {
    Ok(())
}

fn main() {
    _ = load();
}

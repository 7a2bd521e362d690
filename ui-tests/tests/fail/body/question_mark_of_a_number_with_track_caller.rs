use traced::traced;

#[traced]
#[track_caller]
fn load(id: u64) -> Result<u64, String> {
    Ok(id?)
}

fn main() {
    _ = load(1);
}

use traced::traced;

#[traced(ok(id => id, again = __traced_value))]
fn load(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {
    _ = load(1);
}

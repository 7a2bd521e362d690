use traced::traced;

#[traced(attr(id), ok(order => id = *order))]
fn load(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {
    _ = load(1);
}

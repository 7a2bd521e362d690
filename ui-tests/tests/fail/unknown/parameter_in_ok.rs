// `ok` sees the value alone: the parameters have moved into the body.
use traced::traced;

#[traced(ok(order => id = *order, user))]
fn load(user: u64) -> Result<u64, String> {
    Ok(user)
}

fn main() {
    _ = load(1);
}

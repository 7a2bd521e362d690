use traced::traced;

struct Cart;

#[traced(ok(cart => cart))]
fn load() -> Result<Cart, String> {
    Ok(Cart)
}

fn main() {
    _ = load();
}

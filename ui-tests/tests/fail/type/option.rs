use traced::traced;

struct Cart;

#[traced(attr(cart))]
fn load(cart: Option<Cart>) -> bool {
    cart.is_some()
}

fn main() {
    load(Some(Cart));
}

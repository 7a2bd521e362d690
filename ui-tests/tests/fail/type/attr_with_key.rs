use traced::traced;

struct Cart;

#[traced(attr(kind = leaf, order.cart = cart))]
fn load(cart: Cart, leaf: u64) -> u64 {
    drop(cart);
    leaf
}

fn main() {
    load(Cart, 1);
}

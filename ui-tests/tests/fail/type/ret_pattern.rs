use traced::traced;

struct Cart;

#[traced(ret(cart => order.cart = cart))]
fn load() -> Cart {
    Cart
}

fn main() {
    load();
}

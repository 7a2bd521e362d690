struct Cart;

fn main() {
    let cart = Cart;
    traced::event!("loaded", order.cart = %cart);
}

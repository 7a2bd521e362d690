struct Cart;

fn main() {
    let cart = Cart;
    let _span = traced::span!("load", cart).enter();
}

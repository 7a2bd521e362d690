struct Cart;

fn main() {
    let cart = Cart;
    traced::set!(cart, total = 1);
}

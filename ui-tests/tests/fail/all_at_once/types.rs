use traced::traced;

struct Cart;

#[traced(attr(cart, again = %cart), when = 1, parent = cart, links([cart]))]
fn load(cart: &Cart) {}

fn main() {
    load(&Cart);
}

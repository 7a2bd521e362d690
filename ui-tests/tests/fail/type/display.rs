use traced::traced;

struct Cart;

#[traced(attr(%cart))]
fn load(cart: &Cart) {}

fn main() {
    load(&Cart);
}

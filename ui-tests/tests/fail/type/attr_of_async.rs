use traced::traced;

struct Cart;

#[traced(attr(cart))]
async fn load(cart: &Cart) {}

fn main() {
    drop(load(&Cart));
}

use traced::traced;

struct Cart;

#[traced]
fn load(#[attr] cart: &Cart) {}

fn main() {
    load(&Cart);
}

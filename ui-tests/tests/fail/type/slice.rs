use traced::traced;

struct Cart;

#[traced(attr(carts))]
fn load(carts: &[Cart]) {}

fn main() {
    load(&[Cart]);
}

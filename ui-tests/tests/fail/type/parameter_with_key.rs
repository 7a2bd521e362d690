use traced::traced;

struct Cart;

#[traced]
fn load(#[attr("cart.text", %)] cart: &Cart) {}

fn main() {
    load(&Cart);
}

use traced::traced;

struct Cart;

#[traced(ret)]
fn load() -> Cart {
    Cart
}

fn main() {
    load();
}

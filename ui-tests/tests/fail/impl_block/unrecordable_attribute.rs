use traced::traced;

struct Cart;

struct Store {
    cart: Cart,
}

#[traced]
impl Store {
    #[traced(attr(self.cart))]
    fn load(&self) -> &Cart {
        &self.cart
    }
}

fn main() {
    Store { cart: Cart }.load();
}

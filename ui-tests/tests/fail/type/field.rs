use traced::traced;

struct Cart;

struct Order {
    cart: Cart,
}

impl Order {
    #[traced(attr(self.cart))]
    fn load(&self) -> &Cart {
        &self.cart
    }
}

fn main() {
    Order { cart: Cart }.load();
}

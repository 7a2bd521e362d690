use traced::traced;

#[traced(attr(?cart))]
async fn load(cart: Crat) {}

fn main() {}

use traced::traced;

#[traced(name = "cart")]
enum Cart {
    Empty,
}

fn main() {
    let Cart::Empty = Cart::Empty;
}

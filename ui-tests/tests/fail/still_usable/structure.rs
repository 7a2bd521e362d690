use traced::traced;

#[traced]
#[derive(Debug, Clone)]
struct Cart(u64);

impl Cart {
    fn total(&self) -> u64 {
        self.0
    }
}

fn main() {
    println!("{:?}", Cart(1).clone().total());
}

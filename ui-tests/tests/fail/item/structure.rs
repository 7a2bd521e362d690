use traced::traced;

#[traced]
#[derive(Debug)]
pub struct Cart {
    id: u64,
}

fn main() {
    println!("{:?}", Cart { id: 1 });
}

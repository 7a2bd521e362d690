use traced::traced;

trait Load {
    #[traced]
    fn load(&self) -> u64 {}
}

impl Load for u64 {}

fn main() {
    1_u64.load();
}

use traced::traced;

#[traced]
unsafe trait Load {
    fn load(&self) {}
}

unsafe impl Load for u64 {}

fn main() {
    1_u64.load();
}

use traced::traced;

#[traced]
pub trait Load {
    fn load(&self) -> u64;
}

impl Load for u64 {
    fn load(&self) -> u64 {
        *self
    }
}

fn main() {
    1_u64.load();
}

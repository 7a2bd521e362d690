use traced::traced;

#[traced]
fn load(
    #[attr]
    #[attr(?)]
    id: u64,
) -> u64 {
    id
}

fn main() {
    load(1);
}

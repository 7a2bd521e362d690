use traced::traced;

#[traced]
fn load(#[attr] _: u64) {}

fn main() {
    load(1);
}

use traced::traced;

#[traced(attr(usr))]
fn load(user: u64) -> u64 {
    user
}

fn main() {
    load(1);
}

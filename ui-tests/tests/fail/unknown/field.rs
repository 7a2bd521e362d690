use traced::traced;

struct User {
    id: u64,
}

#[traced(attr(user.name))]
fn load(user: &User) -> u64 {
    user.id
}

fn main() {
    load(&User { id: 1 });
}

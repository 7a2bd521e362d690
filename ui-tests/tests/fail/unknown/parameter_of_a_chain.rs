use traced::traced;

struct User {
    id: u64,
}

#[traced(attr(usr.id))]
fn load(user: &User) -> u64 {
    user.id
}

fn main() {
    load(&User { id: 1 });
}

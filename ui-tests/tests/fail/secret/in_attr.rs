use traced::traced;

#[traced(attr(user_password))]
fn login(user_password: &str) -> usize {
    user_password.len()
}

fn main() {
    login("");
}

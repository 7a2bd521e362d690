use traced::traced;

#[traced]
fn login(#[attr] password: &str) -> usize {
    password.len()
}

fn main() {
    login("");
}

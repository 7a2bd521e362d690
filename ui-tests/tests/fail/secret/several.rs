use traced::traced;

#[traced(attr(cvv, refresh_token))]
fn login(#[attr(%)] authorization: &str, cvv: u64, refresh_token: &str) -> bool {
    authorization.is_empty() && cvv == 0 && refresh_token.is_empty()
}

fn main() {
    login("", 0, "");
}

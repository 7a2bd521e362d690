use traced::traced;

#[traced(ok(access_token => access_token))]
fn login() -> Result<String, String> {
    Ok(String::new())
}

fn main() {
    _ = login();
}

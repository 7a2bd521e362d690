use traced::traced;

#[traced]
fn give() -> impl for<'a> Fn(&'a str) -> &'a str {
    |text: &str| -> &str { text }
}

fn main() {
    assert_eq!(give()("a"), "a");
}

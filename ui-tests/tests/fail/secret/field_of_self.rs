use traced::traced;

struct Client {
    secret: String,
}

impl Client {
    #[traced(attr(?self.secret))]
    fn login(&self) -> usize {
        self.secret.len()
    }
}

fn main() {
    Client { secret: String::new() }.login();
}

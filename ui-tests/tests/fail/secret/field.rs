use traced::traced;

struct Config {
    api_key: String,
}

#[traced(attr(config.api_key))]
fn login(config: &Config) -> usize {
    config.api_key.len()
}

fn main() {
    login(&Config { api_key: String::new() });
}

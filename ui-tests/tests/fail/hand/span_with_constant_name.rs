const NAME: &str = "load";

fn main() {
    traced::span!(NAME, id = 1).run(|| {});
}

use traced::traced;

#[traced(ok(order => order))]
fn load() -> ! {
    std::process::exit(0)
}

fn main() {
    load();
}

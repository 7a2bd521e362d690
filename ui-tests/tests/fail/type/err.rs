use traced::traced;

struct Fault;

#[traced(err(fault => code = fault))]
fn load() -> Result<(), Fault> {
    Err(Fault)
}

fn main() {
    _ = load();
}

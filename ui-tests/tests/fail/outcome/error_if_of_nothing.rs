use traced::traced;

#[traced(error_if(e => e.is_fault()))]
fn load() {}

fn main() {
    load();
}

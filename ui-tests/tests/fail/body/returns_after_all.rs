use traced::traced;

#[traced]
fn load() -> ! {
    println!("load");
}

fn main() {
    load();
}

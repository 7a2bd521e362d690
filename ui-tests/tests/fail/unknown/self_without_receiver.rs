use traced::traced;

#[traced(attr(self.tenant))]
fn load() {}

fn main() {
    load();
}

use traced::traced;

#[traced(links(ids))]
fn load(ids: &[u64]) {}

fn main() {
    load(&[]);
}

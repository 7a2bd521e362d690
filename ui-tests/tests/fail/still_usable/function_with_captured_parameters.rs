// `#[attr]` is gone as well, which without `#[traced]` would be a fault of its own.
use traced::traced;

#[traced(attr(idd))]
fn load(#[attr] id: u64, #[attr("user.name", %)] name: &str) -> usize {
    name.len() + usize::try_from(id).unwrap_or(0)
}

fn main() {
    load(1, "a");
}

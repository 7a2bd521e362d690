use traced::traced;

#[traced]
type Load = fn(u64) -> u64;

fn main() {
    let _: Load = |id| id;
}

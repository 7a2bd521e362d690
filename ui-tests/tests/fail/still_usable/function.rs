// One fault, one message: the calls of the function are sound.
use traced::traced;

#[traced(kind = sever)]
pub fn load(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() -> Result<(), String> {
    let id: u64 = load(1)?;
    assert_eq!(id, 1);
    Ok(())
}

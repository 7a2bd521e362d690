fn main() -> Result<(), std::num::ParseIntError> {
    traced::event!("loaded", id = "7".parse::<u64>()?);
    Ok(())
}

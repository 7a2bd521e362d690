#![deny(missing_docs)]
//! A program.

/// Things.
pub mod things {
    #[traced::traced]
    pub fn load() {}
}

fn main() {
    things::load();
}

#![deny(missing_docs, rustdoc::broken_intra_doc_links, unreachable_pub)]
//! A program.

/// A module.
pub mod things {
    /// Loads [`super::Thing`].
    #[traced::traced]
    pub fn public() {}

    #[traced::traced]
    pub(crate) fn of_the_crate() {}

    #[traced::traced]
    pub(super) fn of_the_parent() {}

    #[traced::traced]
    pub(in crate::things) fn of_a_path() {}

    /// Calls.
    pub fn all() {
        of_a_path();
    }
}

/// A thing.
pub struct Thing;

#[traced::traced]
impl Thing {
    /// Loads.
    #[doc = "More."]
    #[doc(alias = "store")]
    pub fn load(&self) {}
    fn store(&self) {}
}

fn main() {
    things::public();
    things::of_the_crate();
    things::of_the_parent();
    things::all();
    Thing.load();
    Thing.store();
}

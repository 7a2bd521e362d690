//! The macros of the `traced` crate. Depend on `traced`; it re-exports what stands here.
//!
//! Parse what was written, judge it into a model, emit the model: three verbs, in this order, for each macro.
//! What was misused is reported all at once, and the function is emitted all the same.

/// Tokens that only this macro can have written: a local of theirs cannot be named by the user's code, nor
/// one of the user's by them.
macro_rules! emit {
    ($($tokens:tt)*) => { quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*) };
}

mod args;
mod attribute;
mod block;
mod errors;
mod expand;
mod function;
#[cfg(test)]
mod fuzz;
mod hand;
mod model;
mod parameters;
mod returned;
#[cfg(test)]
mod snapshots;
mod spawn;
mod suggest;
mod track;

use proc_macro::TokenStream;

/// See `traced::traced`.
#[proc_macro_attribute]
pub fn traced(args: TokenStream, item: TokenStream) -> TokenStream {
    block::expand(args.into(), item.into()).into()
}

/// See `traced::span!`.
#[proc_macro]
pub fn span(input: TokenStream) -> TokenStream {
    hand::span(input.into()).into()
}

/// See `traced::event!`.
#[proc_macro]
pub fn event(input: TokenStream) -> TokenStream {
    hand::event(input.into()).into()
}

/// See `traced::set!`.
#[proc_macro]
pub fn set(input: TokenStream) -> TokenStream {
    hand::set(input.into()).into()
}

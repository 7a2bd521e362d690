//! `span!`, `event!` and `set!`: attributes by hand, in the grammar of `attr(…)`.
//!
//! The runtime's macros of the same names put the path of their own crate in parentheses before the user's
//! tokens, so that they work under any name.

use proc_macro2::{Group, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, LitStr, Token};

use crate::args::{self, Attributes};
use crate::attribute;
use crate::errors::Errors;
use crate::model::{Site, callers_crate};

/// What stands in the parentheses.
struct Written {
    krate: TokenStream,
    name: Option<LitStr>,
    attributes: Attributes,
}

/// `span!("name", attributes)`.
pub(crate) fn span(input: TokenStream) -> TokenStream {
    with(input, Some("span!(\"load\", rows = n)"), |written| {
        let Written { krate, name, attributes } = written;
        let name = name.clone()?;
        let private = emit!(#krate::__private);
        let place = name.span();
        let site = Site {
            name,
            kind: quote::format_ident!("Internal"),
            scope: callers_crate(),
            place,
            is_leaf: false,
        };
        let site = site.tokens(&private);
        let call = emit!(__traced_call);
        let records = attributes.list.iter().map(|attribute| attribute.record(&call));
        let records = if attributes.list.is_empty() {
            TokenStream::new()
        } else {
            emit!(if __traced_call.wants_attributes() { #(#records)* })
        };
        Some(emit! {{
            let mut __traced_call = #private::Call::new(#site);
            #records
            #private::Span::begin(__traced_call, || ())
        }})
    })
}

/// `event!("name", attributes)`.
pub(crate) fn event(input: TokenStream) -> TokenStream {
    with(input, Some("event!(\"order.validated\", items = n)"), |written| {
        let name = written.name.as_ref()?;
        Some(note(written, &emit!(event(#name))))
    })
}

/// `set!(attributes)`.
pub(crate) fn set(input: TokenStream) -> TokenStream {
    with(input, None, |written| Some(note(written, &emit!(set()))))
}

fn note(written: &Written, finish: &TokenStream) -> TokenStream {
    let Written { krate, attributes, .. } = written;
    let to = emit!(__traced_note);
    let records = attributes.list.iter().map(|attribute| attribute.record(&to));
    emit! {
        match #krate::__private::Note::start() {
            #krate::__private::Some(mut __traced_note) => {
                #(#records)*
                __traced_note.#finish;
            }
            #krate::__private::None => {}
        }
    }
}

/// Reads and judges the input; a fault becomes the expansion. `form` is how it is written with a name.
fn with(
    input: TokenStream,
    form: Option<&str>,
    expand: impl Fn(&Written) -> Option<TokenStream>,
) -> TokenStream {
    let mut errors = Errors::new();
    let read = (|input: ParseStream<'_>| parse(input, form, &mut errors)).parse2(input);
    let written = errors.keep(read);
    if let Some(written) = &written {
        attribute::judge(&written.attributes.list, &mut errors);
    }
    if errors.is_empty()
        && let Some(expansion) = written.as_ref().and_then(expand)
    {
        let _ = errors.into_tokens();
        return expansion;
    }
    let errors = errors.into_tokens();
    emit!({ #errors })
}

fn parse(input: ParseStream<'_>, form: Option<&str>, errors: &mut Errors) -> syn::Result<Written> {
    let krate = input.parse::<Group>()?.stream();
    let name = form.and_then(|form| errors.keep(name(input, form)));
    let mut attributes = args::attributes(input)?;
    attributes.report(errors);
    if form.is_none() && attributes.list.is_empty() && errors.is_empty() {
        return Err(syn::Error::new(input.span(), "an attribute is missing; write `set!(key = value)`"));
    }
    Ok(Written { krate, name, attributes })
}

fn name(input: ParseStream<'_>, form: &str) -> syn::Result<LitStr> {
    let missing = |span| syn::Error::new(span, format!("the name is missing; write `{form}`"));
    let start = input.span();
    if input.is_empty() {
        return Err(missing(start));
    }
    let value: Expr = input.parse()?;
    let comma: Option<Token![,]> = input.parse()?;
    match args::literal(&value) {
        None if matches!(value, Expr::Assign(_)) => Err(missing(start)),
        None => Err(syn::Error::new_spanned(
            value,
            "a name is a literal, because names must be few; put the value in an attribute",
        )),
        Some(name) if name.value().trim().is_empty() => {
            Err(syn::Error::new(name.span(), "the name is empty; say what happens here"))
        }
        Some(_) if comma.is_none() && !input.is_empty() => {
            Err(syn::Error::new(input.span(), "expected `,` after the name"))
        }
        Some(name) => Ok(name),
    }
}

//! How parameters come into the body: whole, in order, and dropped there as the language drops them.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{FnArg, Ident, Pat, PatType, Type};

use crate::args::Args;
use crate::attribute::{self, Attribute};
use crate::function::Function;
use crate::model::names;
use crate::returned::is_primitive;

/// The names the parameters bind, the statements that bind them anew inside the body, and the signature that
/// hands them there.
///
/// The body owns all parameters, as an `async fn`'s does, so that they are dropped inside the span in the order
/// of the language: each is moved in whole and in order, and a pattern is matched only there.
pub(crate) fn parameters(
    function: &Function,
    args: &Args,
    captured: &[Attribute],
) -> (Vec<Ident>, Vec<TokenStream>, syn::Signature) {
    let mut sig = function.sig.clone();
    let mut known = Vec::new();
    let mut bindings = Vec::new();
    let used = used_before_the_body(args);
    for (index, input) in sig.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(receiver) => {
                let name = Ident::from(receiver.self_token);
                if !matches!(receiver.kind, syn::ReceiverKind::Reference(..)) {
                    // Naming all of `self` keeps the body from taking only the fields it uses.
                    bindings.push(emit!(let _ = &#name;));
                }
                known.push(name);
            }
            FnArg::Typed(typed) => {
                let bound = bound_names(&typed.pat);
                if let Some(bound) = &bound {
                    known.extend(bound.iter().map(|binding| binding.ident.clone()));
                } else {
                    known.extend(names(typed.pat.to_token_stream()));
                }
                bindings.extend(rebind(typed, bound, index, &used, captured));
            }
        }
    }
    (known, bindings, sig)
}

/// A name that a pattern binds by value.
struct Binding {
    mutability: Option<syn::Token![mut]>,
    ident: Ident,
}

/// The names in a pattern that takes its value apart completely; `None` where something may stay behind: a struct
/// may have a drop of its own, and a capitalised name is one.
fn bound_names(pattern: &Pat) -> Option<Vec<Binding>> {
    match pattern {
        Pat::Ident(ident) if ident.by_ref.is_none() && ident.subpat.is_none() => {
            let name = ident.ident.unraw().to_string();
            let binding = Binding { mutability: ident.mutability, ident: ident.ident.clone() };
            (!name.starts_with(char::is_uppercase)).then(|| vec![binding])
        }
        Pat::Tuple(tuple) => {
            let names = tuple.elems.iter().map(bound_names).collect::<Option<Vec<_>>>();
            names.map(|names| names.into_iter().flatten().collect())
        }
        Pat::Paren(paren) => bound_names(&paren.pat),
        _ => None,
    }
}

/// The statements that bind one parameter inside the body; changes the parameter to what hands it there.
fn rebind(
    typed: &mut PatType,
    bound: Option<Vec<Binding>>,
    index: usize,
    used: &[String],
    captured: &[Attribute],
) -> Vec<TokenStream> {
    if drops_nothing(typed) {
        return Vec::new();
    }
    let attrs = typed.attrs.iter().map(ToTokens::to_token_stream).collect::<TokenStream>();
    let cfgs: Vec<_> =
        typed.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect();
    let is_used = |name: &Ident| {
        used.iter().any(|used| name == used)
            || captured.iter().any(|a| attribute::root(&a.expr) == Some(name))
    };
    let all = names(typed.pat.to_token_stream());
    // A name that says it is not used is not to be used by us, unless an attribute is.
    let disowned = all.iter().any(|name| name.to_string().starts_with('_'));
    let wholly = all.iter().any(is_used) || (bound.is_some() && !disowned);
    let statements = if wholly {
        let mut statements = Vec::new();
        if bound.is_some() {
            without_mut(&mut typed.pat);
        }
        for Binding { mutability, ident } in bound.into_iter().flatten() {
            statements.push(emit!(#attrs let #mutability #ident = #ident;));
            // What is captured is used, whatever the body does.
            if is_used(&ident) {
                statements.push(emit!(#(#cfgs)* let _ = &#ident;));
            }
        }
        statements
    } else {
        let name = name_for(&typed.pat, index);
        let pattern = std::mem::replace(&mut *typed.pat, syn::parse_quote!(#name));
        // A name is moved by a `match`, since binding a name to `_name` looks idle; what a pattern leaves behind must
        // stay where it is. `mut` is for the sake of a `ref mut` in it.
        let value = match &pattern {
            Pat::Ident(ident) if ident.by_ref.is_none() => emit!(match () { () => #name }),
            _ => emit!(#name),
        };
        vec![emit!(#attrs let mut #name = #name;), emit!(#attrs let #pattern = #value;)]
    };
    // Lints on a parameter are about the name it binds, which stands in the body now. What is allowed stays allowed
    // in both places; what is expected happens in one.
    typed
        .attrs
        .retain(|attribute| ["cfg", "allow", "expect"].iter().any(|kept| attribute.path().is_ident(kept)));
    for attribute in typed.attrs.iter_mut().filter(|attribute| attribute.path().is_ident("expect")) {
        if let syn::Meta::List(list) = &mut attribute.meta {
            list.path = syn::parse_quote!(allow);
        }
    }
    statements
}

/// The name of a parameter that is a pattern: of the one thing it binds, for documentation, else a number. It is
/// ours, so nothing can be confused with it.
fn name_for(pattern: &Pat, index: usize) -> Ident {
    let bound: Vec<_> = names(pattern.to_token_stream())
        .into_iter()
        .map(|name| name.unraw().to_string())
        .filter(|name| !name.starts_with(char::is_uppercase) && name != "mut" && name != "ref" && name != "_")
        .collect();
    match bound.as_slice() {
        [only] => Ident::new_raw(only, Span::mixed_site()),
        _ => Ident::new(&format!("arg{index}"), Span::mixed_site()),
    }
}

/// A reference or a primitive under a plain name, or none: the body may take it as it uses it, since there is
/// nothing to drop and nothing to take apart. One that is `mut` is bound anew all the same, for the sake of the
/// lints on what is assigned to it.
fn drops_nothing(typed: &PatType) -> bool {
    let plain = match &*typed.pat {
        Pat::Wild(_) => true,
        Pat::Ident(ident) => ident.by_ref.is_none() && ident.mutability.is_none() && ident.subpat.is_none(),
        _ => false,
    };
    plain && (matches!(*typed.ty, Type::Reference(_)) || is_primitive(&typed.ty))
}

fn without_mut(pattern: &mut Pat) {
    match pattern {
        Pat::Ident(ident) if ident.by_ref.is_none() => ident.mutability = None,
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(without_mut),
        Pat::Paren(paren) => without_mut(&mut paren.pat),
        _ => {}
    }
}

/// The names that expressions use before the body has its parameters.
fn used_before_the_body(args: &Args) -> Vec<String> {
    let attributes =
        args.attr.iter().flat_map(|slot| &slot.value.list).map(|attribute| attribute.expr.to_token_stream());
    let others = [&args.when, &args.parent, &args.links]
        .into_iter()
        .flatten()
        .map(|slot| slot.value.to_token_stream());
    attributes.chain(others).flat_map(names).map(|name| name.to_string()).collect()
}

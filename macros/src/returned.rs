//! What a return type says of itself: a future, a stream, a plain value, and how it can be written in the body.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, ReturnType, Type, TypeParamBound};

use crate::model::{Held, Shape, Value, ours};

/// Nothing, `!`, `()`, a reference or a primitive: no alias of anything.
pub(crate) fn plainly_no_alias(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(_) | Type::Never(_) | Type::Reference(_) | Type::Array(_) => true,
            Type::Path(path) => path.path.is_ident("String") || is_primitive(ty),
            _ => false,
        },
    }
}

pub(crate) fn is_primitive(ty: &Type) -> bool {
    const PRIMITIVES: &[&str] = &[
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64",
    ];
    let Type::Path(path) = ty else { return false };
    path.path.get_ident().is_some_and(|name| PRIMITIVES.iter().any(|primitive| name == primitive))
}

/// What the return type says of itself. A heuristic on names: aliases say it with `future` and `stream`.
pub(crate) fn returned(output: &ReturnType) -> Shape {
    let ReturnType::Type(_, ty) = output else { return Shape::Sync };
    match ungrouped(ty) {
        Type::ImplTrait(ty) => match named_bound(ty.bounds.iter()) {
            Some("Future") => Shape::Future(Held::ByValue),
            Some("Stream") => Shape::Stream(Held::ByValue),
            _ => Shape::Sync,
        },
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return Shape::Sync };
            match last.ident.to_string().as_str() {
                "BoxFuture" | "LocalBoxFuture" => Shape::Future(Held::Boxed),
                "BoxStream" | "LocalBoxStream" => Shape::Stream(Held::Boxed),
                "Pin" => match argument(&last.arguments).and_then(boxed_object) {
                    Some("Future") => Shape::Future(Held::Boxed),
                    Some("Stream") => Shape::Stream(Held::Boxed),
                    _ => Shape::Sync,
                },
                _ => Shape::Sync,
            }
        }
        _ => Shape::Sync,
    }
}

fn ungrouped(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        }
    }
}

fn argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ungrouped(ty)),
        _ => None,
    })
}

/// The `Future` of `Box<dyn Future>`.
fn boxed_object(ty: &Type) -> Option<&'static str> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Box")?;
    match argument(&last.arguments)? {
        Type::TraitObject(object) => named_bound(object.bounds.iter()),
        _ => None,
    }
}

fn named_bound<'a>(mut bounds: impl Iterator<Item = &'a TypeParamBound>) -> Option<&'static str> {
    bounds.find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last()?;
        ["Future", "Stream"].into_iter().find(|name| last.ident == name)
    })
}

/// The type to write for what the body gives.
pub(crate) fn value(output: &ReturnType, shape: Shape) -> Value {
    let ReturnType::Type(_, ty) = output else { return Value::Unit };
    match ungrouped(ty) {
        Type::Never(_) => Value::Never,
        Type::Tuple(tuple) if tuple.elems.is_empty() => Value::Unit,
        Type::ImplTrait(ty) if shape == Shape::Future(Held::ByValue) => match output_of(ty.bounds.iter()) {
            Some(output) => Value::Output(writable(output.to_token_stream())),
            None => Value::Inferred,
        },
        Type::ImplTrait(_) => Value::Opaque,
        ty => Value::Written(writable(ty.to_token_stream())),
    }
}

/// The `T` of `Future<Output = T>`.
fn output_of<'a>(mut bounds: impl Iterator<Item = &'a TypeParamBound>) -> Option<&'a Type> {
    bounds.find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(of) if of.ident == "Output" => Some(&of.ty),
            _ => None,
        })
    })
}

/// A type as it can be written inside the body: with `_` for each `impl Trait` in it.
///
/// Its tokens keep their places, so that the compiler, which finds the same fault or lint in both, says it once.
fn writable(tokens: TokenStream) -> TokenStream {
    let mut out = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        out.push(match token {
            TokenTree::Ident(ident) if ident == "impl" => {
                skip_bounds(&mut tokens);
                TokenTree::Ident(Ident::new("_", ours(ident.span())))
            }
            TokenTree::Group(group) => {
                let mut copy = proc_macro2::Group::new(group.delimiter(), writable(group.stream()));
                copy.set_span(group.span());
                TokenTree::Group(copy)
            }
            other => other,
        });
    }
    out.into_iter().collect()
}

/// Goes to where the bounds behind an `impl` end: a comma, an `=` or a `>` that is none of theirs.
fn skip_bounds(tokens: &mut std::iter::Peekable<impl Iterator<Item = TokenTree>>) {
    let mut depth = 0_u32;
    let mut previous = ' ';
    while let Some(token) = tokens.peek() {
        let char = match token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
        match char {
            '<' => depth += 1,
            // The end of `->`.
            '>' if previous == '-' => {}
            '>' | ',' if depth == 0 => return,
            '>' => depth -= 1,
            _ => {}
        }
        previous = char;
        tokens.next();
    }
}

pub(crate) fn gives_nothing(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return true };
    match ungrouped(ty) {
        Type::Never(_) => true,
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        _ => false,
    }
}

//! The item under `#[traced]`: a function, or every function of an `impl` block.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, ItemImpl, Meta, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::function::{Body, Function};
use crate::model::{Model, Surroundings};

/// `#[traced(args)] item`.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let args = Args::parse(args, &mut errors);
    let output = if let Some(block) = Block::split(&item) {
        block.expand(&args, &mut errors)
    } else {
        match syn::parse2::<Function>(item.clone()) {
            Ok(function) => self::function(args, function, &Surroundings { type_name: None }, &mut errors),
            Err(error) => {
                errors.push(not_a_function(&item).unwrap_or(error));
                item
            }
        }
    };
    let errors = errors.into_tokens();
    quote!(#output #errors)
}

/// One function: traced, or as it was if there are faults.
fn function(args: Args, function: Function, around: &Surroundings, errors: &mut Errors) -> TokenStream {
    match Model::judge(args, function, around, errors) {
        Ok(model) => model.expand(),
        // A parameter that only the misused attribute names is no second fault.
        Err(plain) => quote!(#[allow(unused_variables)] #plain),
    }
}

/// The fault of an item that is neither a function nor an `impl`, at its keyword.
fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    const ITEMS: &[&str] = &[
        "struct",
        "enum",
        "union",
        "trait",
        "mod",
        "type",
        "static",
        "const",
        "use",
        "extern",
        "macro_rules",
        "macro",
        "let",
    ];
    let keyword = item.clone().into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ITEMS.iter().any(|item| ident == item) => Some(ident),
        TokenTree::Ident(ident) if ident == "fn" || ident == "impl" => Some(ident),
        _ => None,
    });
    let Some(keyword) = keyword else {
        let first = item.clone().into_iter().next()?;
        let message = "this cannot be traced; `#[traced]` goes on a function or an `impl` block";
        return Some(syn::Error::new(first.span(), message));
    };
    if keyword == "fn" || keyword == "impl" {
        return None;
    }
    let message = format!("`{keyword}` cannot be traced; `#[traced]` goes on a function or an `impl` block");
    Some(syn::Error::new(keyword.span(), message))
}

/// An `impl` block, its content unread.
struct Block {
    /// Everything before the braces, parsed with empty ones.
    header: ItemImpl,
    tokens: TokenStream,
    braces: Group,
}

impl Block {
    /// `None` if the item is no `impl` block.
    fn split(item: &TokenStream) -> Option<Self> {
        let word = |token| match token {
            TokenTree::Ident(ident) if ident == "impl" => Some(true),
            TokenTree::Ident(ident) if ident == "fn" => Some(false),
            _ => None,
        };
        if !item.clone().into_iter().find_map(word)? {
            return None;
        }
        let mut tokens: Vec<TokenTree> = item.clone().into_iter().collect();
        let Some(TokenTree::Group(braces)) = tokens.pop() else { return None };
        if braces.delimiter() != Delimiter::Brace {
            return None;
        }
        let tokens: TokenStream = tokens.into_iter().collect();
        let header = syn::parse2::<ItemImpl>(quote!(#tokens {})).ok()?;
        Some(Self { header, tokens, braces })
    }

    fn expand(self, args: &Args, errors: &mut Errors) -> TokenStream {
        for (argument, key) in args.given() {
            if !argument.on_impl {
                let name = argument.name;
                errors.at(
                    key,
                    format_args!(
                        "`{name}` belongs to one function; put it on the method: `#[traced({})]`",
                        argument.form
                    ),
                );
            }
        }
        args.judge(errors);
        let args = &args.clone().of_an_impl();
        let around = Surroundings { type_name: Some(type_name(&self.header.self_ty)) };
        let members = Members::parse.parse2(self.braces.stream());
        let content = match members {
            Ok(members) => members.0.into_iter().map(|member| member.expand(args, &around, errors)).collect(),
            // A broken block is the compiler's to report.
            Err(_) => self.braces.stream(),
        };
        let mut braces = Group::new(Delimiter::Brace, content);
        braces.set_span(self.braces.span());
        let tokens = self.tokens;
        quote!(#tokens #braces)
    }
}

/// The name that spans of a type's methods begin with: without path and generics.
fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => {
            path.path.segments.last().map_or_else(String::new, |last| last.ident.unraw().to_string())
        }
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        Type::Reference(reference) => type_name(&reference.elem),
        other => other.to_token_stream().to_string().replace(' ', ""),
    }
}

struct Members(Vec<Member>);

enum Member {
    Function(Box<Function>),
    Other(TokenStream),
}

impl Parse for Members {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let inner = input.call(Attribute::parse_inner)?;
        let mut members = vec![Member::Other(quote!(#(#inner)*))];
        while !input.is_empty() {
            let ahead = input.fork();
            if let Ok(function) = ahead.parse::<Function>() {
                syn::parse::discouraged::Speculative::advance_to(input, &ahead);
                members.push(Member::Function(Box::new(function)));
            } else {
                members.push(Member::Other(other(input)?));
            }
        }
        Ok(Self(members))
    }
}

/// A constant, a type, a macro call: up to its semicolon or braces.
fn other(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let last = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !input.peek(syn::Token![;]),
            _ => false,
        };
        tokens.extend([token]);
        if last {
            break;
        }
    }
    Ok(tokens)
}

impl Member {
    fn expand(self, outer: &Args, around: &Surroundings, errors: &mut Errors) -> TokenStream {
        let mut method = match self {
            Self::Other(tokens) => return tokens,
            Self::Function(function) => *function,
        };
        if let Body::Missing(_) = method.body {
            return method.to_token_stream();
        }
        let Some(own) = own_args(&mut method, errors) else {
            return method.without_attr().to_token_stream();
        };
        if own.skip.is_some() {
            own.judge(errors);
            return method.without_attr().to_token_stream();
        }
        // A function that cannot be traced is no fault in a block that was traced as a whole.
        if method.sig.constness.is_some() && own.given().is_empty() {
            return method.to_token_stream();
        }
        function(merge(own, outer), method, around, errors)
    }
}

/// The method's own arguments win, also against what would exclude them.
fn merge(own: Args, outer: &Args) -> Args {
    let mut outer = outer.clone();
    if own.parent.is_some() {
        outer.root = None;
    }
    if own.error_if.is_some() {
        outer.errors = None;
    }
    own.or(&outer)
}

/// Takes the `#[traced(…)]` off a method of a traced block and reads it; `None` if there are two.
fn own_args(method: &mut Function, errors: &mut Errors) -> Option<Args> {
    let is_ours = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == "traced");
    let mut own = None;
    for attribute in std::mem::take(&mut method.attrs) {
        if attribute.path().is_ident("cfg_attr") && names_traced(&attribute.meta) {
            errors.at(
                &attribute,
                "in a traced `impl` a method's `#[traced]` cannot depend on `cfg`; split the `impl`",
            );
            continue;
        }
        if !is_ours(attribute.path()) {
            method.attrs.push(attribute);
            continue;
        }
        if own.is_some() {
            errors.at(&attribute, "`#[traced]` is already given; keep one");
            return None;
        }
        let tokens = match attribute.meta {
            Meta::List(list) => list.tokens,
            Meta::Path(_) => TokenStream::new(),
            Meta::NameValue(meta) => {
                errors.at(&meta, "arguments stand in parentheses; write `#[traced(name = \"…\")]`");
                return None;
            }
        };
        own = Some(Args::parse(tokens, errors));
    }
    Some(own.unwrap_or_default())
}

fn names_traced(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return false };
    list.tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident == "traced"))
}

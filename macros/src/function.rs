//! A function as written, its body opaque: attributes, signature, and the braces with whatever is in them.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility};

/// A function.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    pub(crate) body: Body,
}

/// What stands behind a signature.
#[derive(Clone)]
pub(crate) enum Body {
    Block(Group),
    /// A semicolon: the function is only declared.
    Missing(Token![;]),
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness =
            if input.peek(Token![default]) && !input.peek2(Token![!]) { Some(input.parse()?) } else { None };
        let sig = input.parse()?;
        let body = if input.peek(Token![;]) {
            Body::Missing(input.parse()?)
        } else {
            match unwrapped(input.parse()?) {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Body::Block(group),
                other => return Err(syn::Error::new(other.span(), "expected the function's body")),
            }
        };
        Ok(Self { attrs, vis, defaultness, sig, body })
    }
}

/// What stands in the invisible wrapping of a `macro_rules!`'s `$body:block`.
fn unwrapped(token: TokenTree) -> TokenTree {
    let TokenTree::Group(group) = &token else { return token };
    let mut inside = group.stream().into_iter();
    match (group.delimiter(), inside.next(), inside.next()) {
        (Delimiter::None, Some(only), None) => unwrapped(only),
        _ => token,
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.defaultness.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        match &self.body {
            Body::Block(group) => group.to_tokens(tokens),
            Body::Missing(semicolon) => semicolon.to_tokens(tokens),
        }
    }
}

impl Function {
    /// The function without what only this macro understands.
    pub(crate) fn without_attr(mut self) -> Self {
        for input in &mut self.sig.inputs {
            let attrs = match input {
                syn::FnArg::Receiver(receiver) => &mut receiver.attrs,
                syn::FnArg::Typed(typed) => &mut typed.attrs,
            };
            attrs.retain(|attribute| !attribute.path().is_ident("attr"));
        }
        self
    }
}

/// Splits `{ #![…] statements }` into its inner attributes, made outer ones, and the rest.
pub(crate) fn split_inner_attributes(body: &Group) -> (Vec<TokenStream>, TokenStream) {
    let mut tokens = body.stream().into_iter().peekable();
    let mut attributes = Vec::new();
    loop {
        let mut ahead = tokens.clone();
        let hash = matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#');
        let bang = matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
        let Some(TokenTree::Group(group)) = ahead.next() else { break };
        if !(hash && bang && group.delimiter() == Delimiter::Bracket) {
            break;
        }
        let Some(hash) = tokens.next() else { break };
        attributes.push([hash, TokenTree::Group(group)].into_iter().collect());
        tokens = ahead;
    }
    (attributes, tokens.collect())
}

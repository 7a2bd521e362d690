//! The spawn calls in a body: the argument of each is sent through the runtime, which carries the context.
//!
//! This works on tokens, so it sees calls inside other macros as well, and it goes by path: a function that is
//! called `tokio::spawn` is taken for tokio's. What it cannot see has `traced::spawn` and `traced::propagate`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::Path;

/// How the argument of a call is carried.
#[derive(Clone, Copy)]
enum Carried {
    /// If it is a future or a closure: nobody said that this function is what its path looks like.
    Perhaps,
    /// Surely: the user named the path.
    Surely,
}

/// The paths that are known without being named. A module is often imported, a function rarely.
const KNOWN: &[&[&str]] = &[
    &["tokio", "spawn"],
    &["tokio", "task", "spawn"],
    &["tokio", "task", "spawn_local"],
    &["tokio", "task", "spawn_blocking"],
    &["task", "spawn"],
    &["task", "spawn_local"],
    &["task", "spawn_blocking"],
    &["std", "thread", "spawn"],
    &["thread", "spawn"],
    &["rayon", "spawn"],
];

/// Where a builder's chain begins that ends in `.spawn(…)`.
const BUILDERS: &[&[&str]] = &[&["std", "thread", "Builder", "new"], &["thread", "Builder", "new"]];

/// Wraps the arguments of all spawn calls in `body`.
pub(crate) fn carry(body: TokenStream, also: &[Path], krate: &TokenStream) -> TokenStream {
    let also: Vec<Vec<String>> = also.iter().map(segments_of).collect();
    Carrier { also, krate }.walk(body)
}

fn segments_of(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

struct Carrier<'a> {
    also: Vec<Vec<String>>,
    krate: &'a TokenStream,
}

impl Carrier<'_> {
    fn walk(&self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut out = Vec::with_capacity(tokens.len());
        // The path that ends just before the next token, and whether a builder's chain goes on there.
        let mut path: Vec<String> = Vec::new();
        let mut builder = false;
        // How many tokens a `<_>` behind the path still has, which says nothing.
        let mut inferred = 0;
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(_) if inferred > 0 => {
                    inferred -= 1;
                    out.push(token.clone());
                }
                TokenTree::Ident(ident) => {
                    let joined = ends_with_colons(&tokens[..index]);
                    if !joined {
                        path.clear();
                    }
                    path.push(ident.to_string());
                    let after_dot = index > 0 && is_punct(&tokens[index - 1], '.');
                    builder &= after_dot;
                    if after_dot {
                        path.insert(0, ".".to_owned());
                    }
                    out.push(token.clone());
                }
                TokenTree::Group(group) => {
                    let called = std::mem::take(&mut path);
                    let is_call = group.delimiter() == Delimiter::Parenthesis;
                    let carried = if is_call { self.carried(&called, builder) } else { None };
                    builder = is_call && (builder || is(&called, BUILDERS));
                    out.push(TokenTree::Group(self.group(group, carried)));
                }
                TokenTree::Punct(punct) => {
                    if punct.as_char() == '<' && ends_with_colons(&tokens[..index]) {
                        inferred = inferred_arguments(&tokens[index..]);
                    }
                    if inferred > 0 {
                        inferred -= 1;
                    } else if punct.as_char() != ':' {
                        path.clear();
                    }
                    builder &= matches!(punct.as_char(), '.' | '?');
                    out.push(token.clone());
                }
                TokenTree::Literal(_) => {
                    path.clear();
                    builder = false;
                    out.push(token.clone());
                }
            }
        }
        out.into_iter().collect()
    }

    fn carried(&self, path: &[String], builder: bool) -> Option<Carried> {
        if self.also.iter().any(|also| also == path) {
            return Some(Carried::Surely);
        }
        let known = is(path, KNOWN) || (builder && path == [".", "spawn"]);
        known.then_some(Carried::Perhaps)
    }

    /// The group with its own content walked, and wrapped if it is the one argument of a spawn call.
    fn group(&self, group: &Group, carried: Option<Carried>) -> Group {
        let mut content = self.walk(group.stream());
        if let Some(carried) = carried
            && let Some(argument) = only_argument(content.clone())
        {
            let krate = self.krate;
            content = match carried {
                Carried::Perhaps => emit!(#krate::__private::spawned(#argument).carry()),
                Carried::Surely => emit!(#krate::__private::propagate(#argument)),
            };
        }
        let mut copy = Group::new(group.delimiter(), content);
        copy.set_span(group.span());
        copy
    }
}

fn is(path: &[String], known: &[&[&str]]) -> bool {
    known.iter().any(|known| known == &path)
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

fn ends_with_colons(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [.., a, b] if is_punct(a, ':') && is_punct(b, ':'))
}

/// How many tokens `<_>` has, if that is how `tokens` begin.
fn inferred_arguments(tokens: &[TokenTree]) -> usize {
    match tokens {
        [open, TokenTree::Ident(ident), close, ..]
            if is_punct(open, '<') && ident == "_" && is_punct(close, '>') =>
        {
            3
        }
        _ => 0,
    }
}

/// The argument, without a trailing comma; `None` if there is none, or more than one.
fn only_argument(content: TokenStream) -> Option<TokenStream> {
    let parser = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
    let arguments = syn::parse::Parser::parse2(parser, content.clone()).ok()?;
    let trailing = usize::from(arguments.trailing_punct());
    let tokens = content.clone().into_iter().count();
    (arguments.len() == 1).then(|| content.into_iter().take(tokens - trailing).collect())
}

#[cfg(test)]
mod tests {
    use quote::quote;

    fn carried(body: &str) -> String {
        let body: proc_macro2::TokenStream = body.parse().expect("tokens");
        super::carry(body, &[syn::parse_quote!(my::spawn)], &quote!(t)).to_string()
    }

    fn tokens(text: &str) -> String {
        text.parse::<proc_macro2::TokenStream>().expect("tokens").to_string()
    }

    #[test]
    fn known_paths_are_carried() {
        assert_eq!(
            carried("tokio::spawn(work())"),
            tokens("tokio::spawn(t::__private::spawned(work()).carry())")
        );
        assert_eq!(
            carried("::std::thread::spawn(|| 1)"),
            tokens("::std::thread::spawn(t::__private::spawned(|| 1).carry())")
        );
        assert_eq!(carried("my::spawn(x)"), tokens("my::spawn(t::__private::propagate(x))"));
        assert_eq!(
            carried("vec![tokio::spawn(tokio::spawn(a),)]"),
            tokens(
                "vec![tokio::spawn(t::__private::spawned(tokio::spawn(t::__private::spawned(a).carry())).carry())]"
            )
        );
        assert_eq!(
            carried("thread::Builder::new().name(n)?.spawn(f)"),
            tokens("thread::Builder::new().name(n)?.spawn(t::__private::spawned(f).carry())")
        );
    }

    #[test]
    fn everything_else_is_left_alone() {
        for body in [
            "spawn(f)",
            "traced::thread::spawn(f)",
            "mine::tokio::spawn(f)",
            "set.spawn(f)",
            "thread::Builder::new(); x.spawn(f)",
            "tokio::spawn(a, b)",
            "x.thread::spawn(f)",
            "tokio::spawn",
            "use tokio::spawn;",
        ] {
            assert_eq!(carried(body), tokens(body));
        }
    }
}

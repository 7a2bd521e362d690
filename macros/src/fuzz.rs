//! Whatever is written, the macros answer with tokens: they never panic, and they never lose the function.
//!
//! Random token trees come from `proptest`, near misses from a corpus of valid uses in which tokens are dropped,
//! doubled, swapped and replaced. A failure prints the smallest input.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Arguments, an item, and the name of the function in it.
const ATTRIBUTES: &[(&str, &str, &str)] = &[
    ("", "fn f() {}", "f"),
    ("name = \"GET /{id}\", kind = server", "pub(crate) fn get(id: u64) -> u64 { id }", "get"),
    (
        "attr(id, self.tenant, total = cart.total(), %addr, ?opts, \"url.full\" = %url, {semconv::PEER} = peer)",
        "async fn ship<'a, T: Copy>(&'a self, id: u64, cart: Cart, addr: A, opts: O, url: &str, peer: T) -> Result<T, E> where T: Send { Ok(peer) }",
        "ship",
    ),
    (
        "ret(v => a.b = v.len(), %v), ok(Some(n) => n), err(e => code = e.code())",
        "fn r() -> Result<Option<u8>, E> { Err(E)? }",
        "r",
    ),
    ("ret", "fn n() -> u64 { 7 }", "n"),
    ("ret(?)", "async fn d() -> Vec<u8> { vec![] }", "d"),
    ("error_if(E::Gone { .. } | E::Lost(_) => false)", "fn e() -> Result<(), E> { Ok(()) }", "e"),
    ("errors = off, leaf, scope = \"db\"", "unsafe extern \"C\" fn c(x: *const u8) -> i32 { 0 }", "c"),
    ("parent = headers", "fn p(headers: &HeaderMap) { tokio::spawn(async move { 1 }); }", "p"),
    (
        "root(link), links(batch.iter().map(|m| m.context())), when = batch.len() > 1",
        "fn b(batch: &[M]) {}",
        "b",
    ),
    (
        "root",
        "fn a([x, y]: [u8; 2], (p, mut q): (u8, u8), S { r, .. }: S, _: &str) -> impl Iterator<Item = u8> { q += 1; [x].into_iter() }",
        "a",
    ),
    ("timing, crate = crate::x::traced", "async fn t(mut self: Pin<&mut Self>) -> ! { loop {} }", "t"),
    (
        "propagate(my::spawn, other)",
        "fn w() { my::spawn(|| 1); std::thread::Builder::new().name(n)?.spawn(f) }",
        "w",
    ),
    (
        "propagate = off",
        "#[inline] #[track_caller] fn k(n: Option<u8>) -> Option<u8> { #![allow(unused)] let n = n?; return Some(n); }",
        "k",
    ),
    (
        "future",
        "fn h(#[attr] n: u64, #[attr(\"k\", %)] m: &str) -> Handled { Box::pin(async move { n }) }",
        "h",
    ),
    ("stream, attr(r#type)", "fn s(r#type: u8) -> Rows { rows(r#type) }", "s"),
    ("", "fn o<'a>(n: &'a u64) -> impl Future<Output = u64> + 'a { async move { *n } }", "o"),
    (
        "",
        "fn x() -> Pin<Box<dyn Future<Output = Result<(), E>> + Send + '_>> { Box::pin(async { Ok(()) }) }",
        "x",
    ),
    ("", "fn y() -> impl futures::Stream<Item = u8> + use<'_> { iter(0..3) }", "y"),
    ("", "default const unsafe fn z<const N: usize>() where [u8; N]: Sized {}", "z"),
    (
        "kind = client, scope = \"store\"",
        "impl<T> Store<T> where T: Clone { const N: u8 = { 1 }; type X = u8; m! { x } m!(y); #[traced(attr(id), ret)] pub async fn load(&mut self, id: u64) -> Option<&T> { None } #[traced(skip)] fn len(&self) -> usize { 0 } const fn new() -> Self { S } fn declared(&self); }",
        "load",
    ),
    (
        "root",
        "unsafe impl<'a> Trait<'a> for [Box<dyn Fn(u8) -> u8>; 3] { fn go(self) -> Self { self } }",
        "go",
    ),
];

/// `span!`, `event!` and `set!`, with what `traced` puts in front.
const BY_HAND: &[&str] = &[
    "(::traced) \"load\"",
    "(::traced) \"load\", rows = n, %order.id, ?self.cart, {semconv::PEER} = peer, \"a b\" = x % 2,",
    "($ crate) order.id = 7, total",
    "(traced) %x, ?y, z = if a { 1 } else { 2 }",
];

const WORDS: &[&str] = &[
    "name",
    "kind",
    "attr",
    "ret",
    "ok",
    "err",
    "error_if",
    "errors",
    "parent",
    "root",
    "links",
    "when",
    "leaf",
    "timing",
    "propagate",
    "future",
    "stream",
    "scope",
    "skip",
    "crate",
    "link",
    "off",
    "server",
    "self",
    "Self",
    "fn",
    "async",
    "const",
    "unsafe",
    "extern",
    "impl",
    "dyn",
    "for",
    "where",
    "mut",
    "ref",
    "pub",
    "default",
    "struct",
    "let",
    "return",
    "break",
    "await",
    "move",
    "use",
    "x",
    "_",
    "traced",
    "r#type",
    "r#fn",
    "Pin",
    "Box",
    "Future",
    "Stream",
    "Result",
    "tokio",
    "spawn",
    "thread",
    "Builder",
    "new",
    "password",
    "ünïcode",
    "true",
    "macro_rules",
    "union",
];

const LITERALS: &[&str] = &[
    "0",
    "1u8",
    "340282366920938463463374607431768211455",
    "1.5",
    "1.",
    "1.0f32",
    "0.1",
    "1e9",
    "0xff",
    "\"\"",
    "\" \"",
    "\"key\"",
    "\"\\u{0}\"",
    "\"日本\"",
    "r#\"raw\"#",
    "b\"bytes\"",
    "c\"c\"",
    "'c'",
    "b'x'",
    "1_suffix",
    "\"text\"suffix",
];

const PUNCTUATION: &str = "=,;:.%?&|!#<>+-*/^~@$";

#[derive(Clone, Debug)]
enum Token {
    Word(usize),
    Literal(usize),
    Punct(usize, bool),
    Lifetime(usize),
    Group(usize, Vec<Token>),
}

fn delimiter(of: usize) -> Delimiter {
    [Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None][of % 4]
}

fn word(of: usize) -> Ident {
    let word = WORDS[of % WORDS.len()];
    match word.strip_prefix("r#") {
        Some(raw) => Ident::new_raw(raw, Span::call_site()),
        None => Ident::new(word, Span::call_site()),
    }
}

impl Token {
    fn push(&self, out: &mut Vec<TokenTree>) {
        match self {
            Self::Word(of) => out.push(word(*of).into()),
            Self::Literal(of) => {
                let literal: Literal = LITERALS[of % LITERALS.len()].parse().expect("a literal");
                out.push(literal.into());
            }
            Self::Punct(of, joint) => {
                let char = PUNCTUATION.as_bytes()[of % PUNCTUATION.len()].into();
                out.push(Punct::new(char, if *joint { Spacing::Joint } else { Spacing::Alone }).into());
            }
            Self::Lifetime(of) => {
                let name = ["a", "static", "_"][of % 3];
                out.push(Punct::new('\'', Spacing::Joint).into());
                out.push(Ident::new(name, Span::call_site()).into());
            }
            Self::Group(delimiter, content) => {
                out.push(Group::new(self::delimiter(*delimiter), stream(content)).into());
            }
        }
    }
}

fn stream(tokens: &[Token]) -> TokenStream {
    let mut out = Vec::new();
    for token in tokens {
        token.push(&mut out);
    }
    out.into_iter().collect()
}

fn tokens() -> impl Strategy<Value = Vec<Token>> {
    let leaf = prop_oneof![
        4 => (0..WORDS.len()).prop_map(Token::Word),
        2 => (0..LITERALS.len()).prop_map(Token::Literal),
        4 => (0..PUNCTUATION.len(), any::<bool>()).prop_map(|(of, joint)| Token::Punct(of, joint)),
        1 => (0..3_usize).prop_map(Token::Lifetime),
    ];
    let tree = leaf.prop_recursive(4, 48, 8, |tree| {
        (0..4_usize, prop::collection::vec(tree, 0..8))
            .prop_map(|(delimiter, content)| Token::Group(delimiter, content))
    });
    prop::collection::vec(tree, 0..14)
}

/// One change somewhere in a stream: what, where, and a number for whatever else it needs.
type Edit = (u8, u16, usize);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0..10_u8, any::<u16>(), 0..1000_usize), 1..6)
}

fn count(tokens: &TokenStream) -> usize {
    tokens
        .clone()
        .into_iter()
        .map(|token| if let TokenTree::Group(group) = token { 1 + count(&group.stream()) } else { 1 })
        .sum()
}

fn edited(tokens: TokenStream, edits: &[Edit]) -> TokenStream {
    edits.iter().fold(tokens, |tokens, (what, at, other)| {
        let all = count(&tokens);
        let mut left = if all == 0 { 0 } else { usize::from(*at) % all };
        edit(tokens, *what, &mut left, *other)
    })
}

/// Changes the token that `left` others come before, groups before what is in them.
fn edit(tokens: TokenStream, what: u8, left: &mut usize, other: usize) -> TokenStream {
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for at in 0..tokens.len() {
        if *left == 0 {
            *left = usize::MAX;
            change(&mut tokens, at, what, other);
            break;
        }
        if *left == usize::MAX {
            break;
        }
        *left -= 1;
        if let TokenTree::Group(group) = &tokens[at] {
            let content = edit(group.stream(), what, left, other);
            tokens[at] = Group::new(group.delimiter(), content).into();
        }
    }
    tokens.into_iter().collect()
}

fn change(tokens: &mut Vec<TokenTree>, at: usize, what: u8, other: usize) {
    let mut random = Vec::new();
    let token = match other % 4 {
        0 => Token::Word(other / 4),
        1 => Token::Literal(other / 4),
        2 => Token::Punct(other / 8, other < 500),
        _ => Token::Group(other / 4, Vec::new()),
    };
    token.push(&mut random);
    match what {
        0 => drop(tokens.remove(at)),
        1 => tokens.insert(at, tokens[at].clone()),
        2 => {
            let with = other % tokens.len();
            tokens.swap(at, with);
        }
        3 | 4 => drop(tokens.splice(at..=at, random)),
        5 => drop(tokens.splice(at..at, random)),
        6 => tokens.truncate(at),
        _ => {
            let TokenTree::Group(group) = &tokens[at] else {
                tokens.truncate(at + 1);
                return;
            };
            let content: Vec<TokenTree> = group.stream().into_iter().collect();
            match what {
                7 => drop(tokens.splice(at..=at, content)),
                8 => {
                    let kept = content.into_iter().take(other % 3).collect();
                    tokens[at] = Group::new(group.delimiter(), kept).into();
                }
                _ => tokens[at] = Group::new(delimiter(other), group.stream()).into(),
            }
        }
    }
}

/// A lifetime cut in two is no token that the compiler would hand to a macro.
fn is_whole(tokens: &TokenStream) -> bool {
    tokens.to_string().parse::<TokenStream>().is_ok()
}

fn contains(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => contains(&group.stream(), name),
        _ => false,
    })
}

fn check(args: &TokenStream, item: &TokenStream) -> Result<(), TestCaseError> {
    let expand = || crate::block::expand(args.clone(), item.clone());
    let output = std::panic::catch_unwind(std::panic::AssertUnwindSafe(expand))
        .map_err(|_| TestCaseError::fail(format!("#[traced({args})] panics on\n{item}")))?;
    if is_whole(args) && is_whole(item) {
        prop_assert!(is_whole(&output), "#[traced({args})] breaks\n{item}\ninto\n{output}");
    }
    if let Ok(function) = syn::parse2::<syn::ItemFn>(item.clone()) {
        prop_assert!(contains(&output, &function.sig.ident), "#[traced({args})] loses\n{item}\nin\n{output}");
    }
    Ok(())
}

fn check_by_hand(input: &TokenStream) -> Result<(), TestCaseError> {
    for name in ["span", "event", "set"] {
        let expand = || match name {
            "span" => crate::hand::span(input.clone()),
            "event" => crate::hand::event(input.clone()),
            _ => crate::hand::set(input.clone()),
        };
        let output = std::panic::catch_unwind(std::panic::AssertUnwindSafe(expand))
            .map_err(|_| TestCaseError::fail(format!("{name}!({input}) panics")))?;
        if is_whole(input) {
            prop_assert!(is_whole(&output), "{name}!({input}) gives\n{output}");
        }
    }
    Ok(())
}

fn parsed(text: &str) -> TokenStream {
    text.parse().expect("the corpus is made of tokens")
}

fn with(krate: &str, input: &TokenStream) -> TokenStream {
    let krate = parsed(krate);
    quote::quote!((#krate) #input)
}

/// Enough to have found everything that was ever found here, a few seconds without optimisation.
fn config() -> ProptestConfig {
    let cases = std::env::var("TRACED_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn every_valid_use_becomes_items_without_a_fault() {
    for (args, item, name) in ATTRIBUTES {
        let output = crate::block::expand(parsed(args), parsed(item));
        let text = output.to_string();
        let is_refused = item.contains("const unsafe fn");
        assert_eq!(text.contains("compile_error"), is_refused, "#[traced({args})] {item}\n{text}");
        assert!(contains(&output, &Ident::new(name, Span::call_site())), "{text}");
        // `default fn` and declarations are no items of their own.
        if !is_refused {
            syn::parse2::<syn::File>(output)
                .unwrap_or_else(|fault| panic!("{fault}: #[traced({args})] {item}\n{text}"));
        }
    }
}

#[test]
fn every_valid_use_by_hand_becomes_an_expression() {
    for input in BY_HAND {
        let named = !input.contains("x,") && input.contains('"') && !input.contains("order.id = 7");
        let expansions = if named {
            vec![crate::hand::span(parsed(input)), crate::hand::event(parsed(input))]
        } else {
            vec![crate::hand::set(parsed(input))]
        };
        for output in expansions {
            let text = output.to_string().replace("$ crate", "crate");
            assert!(!text.contains("compile_error"), "{input}\n{text}");
            syn::parse_str::<syn::Expr>(&text).unwrap_or_else(|fault| panic!("{fault}: {input}\n{text}"));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_arguments_never_panic(args in tokens(), at in 0..ATTRIBUTES.len()) {
        check(&stream(&args), &parsed(ATTRIBUTES[at].1))?;
    }

    #[test]
    fn random_items_never_panic(item in tokens(), at in 0..ATTRIBUTES.len()) {
        check(&parsed(ATTRIBUTES[at].0), &stream(&item))?;
    }

    #[test]
    fn random_values_of_arguments_never_panic(key in 0..20_usize, value in tokens(), form in 0..3_u8, at in 0..ATTRIBUTES.len()) {
        let (key, value) = (word(key), stream(&value));
        let args = match form {
            0 => quote::quote!(#key = #value),
            1 => quote::quote!(#key(#value)),
            _ => quote::quote!(leaf, #key(e => #value), root),
        };
        check(&args, &parsed(ATTRIBUTES[at].1))?;
    }

    #[test]
    fn random_members_of_a_block_never_panic(members in tokens(), own in tokens(), at in 0..ATTRIBUTES.len()) {
        let (members, own) = (stream(&members), stream(&own));
        let item = quote::quote!(impl X { #members #[traced(#own)] fn f(#[attr(#own)] &self, #[attr(#members)] x: u8) {} #members });
        check(&parsed(ATTRIBUTES[at].0), &item)?;
    }

    #[test]
    fn near_misses_never_panic(at in 0..ATTRIBUTES.len(), of_args in edits(), of_item in edits(), which in 0..3_u8) {
        let (args, item, _) = ATTRIBUTES[at];
        let (mut args, mut item) = (parsed(args), parsed(item));
        if which != 1 {
            args = edited(args, &of_args);
        }
        if which != 0 {
            item = edited(item, &of_item);
        }
        check(&args, &item)?;
    }

    #[test]
    fn arguments_of_another_function_never_panic(one in 0..ATTRIBUTES.len(), other in 0..ATTRIBUTES.len(), edits in edits()) {
        check(&edited(parsed(ATTRIBUTES[one].0), &edits[1..]), &parsed(ATTRIBUTES[other].1))?;
    }

    #[test]
    fn random_input_by_hand_never_panics(input in tokens()) {
        check_by_hand(&stream(&input))?;
        check_by_hand(&with("::traced", &stream(&input)))?;
        check_by_hand(&with("traced", &{ let input = stream(&input); quote::quote!("name", #input) }))?;
    }

    #[test]
    fn near_misses_by_hand_never_panic(at in 0..BY_HAND.len(), edits in edits()) {
        check_by_hand(&edited(parsed(BY_HAND[at]), &edits))?;
    }
}

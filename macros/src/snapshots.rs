//! What each shape expands to, formatted, with the number of tokens it adds.
//!
//! The files stand in `macros/snapshots/`. After a change that is meant: `TRACED_BLESS=1 cargo test -p traced-macros`,
//! and read the difference.

use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

#[expect(clippy::needless_pass_by_value, reason = "tokens are written where they are handed over")]
fn check(name: &str, args: TokenStream, item: TokenStream) {
    let output = crate::block::expand(args.clone(), item.clone());
    let added = count(output.clone()) - count(item.clone());
    let formatted = |tokens: TokenStream| {
        let file = syn::parse2(tokens).expect("the expansion parses");
        prettyplease::unparse(&file)
    };
    let input = formatted(quote!(#[traced(#args)] #item));
    let commented = input.lines().collect::<Vec<_>>().join("\n// ");
    let snapshot = format!("// {commented}\n//\n// adds {added} tokens\n\n{}", formatted(output));

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(format!("{name}.rs"));
    if std::env::var_os("TRACED_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("the folder can be made");
        std::fs::write(&path, &snapshot).expect("the snapshot can be written");
    }
    let blessed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(blessed == snapshot, "{name} expands otherwise than {}:\n{snapshot}", path.display());
}

fn count(tokens: TokenStream) -> usize {
    let of = |token| match token {
        TokenTree::Group(group) => 2 + count(group.stream()),
        _ => 1,
    };
    tokens.into_iter().map(of).sum()
}

#[test]
fn plain_function() {
    check(
        "sync",
        quote!(attr(a, total = b.len())),
        quote! {
            pub fn load(a: u64, mut b: Vec<u8>) -> Result<u64, Error> { b.push(1); Ok(a) }
        },
    );
}

#[test]
fn async_function() {
    check(
        "async",
        quote!(),
        quote! {
            pub async fn load(&self, a: u64) -> Result<u64, Error> { self.find(a).await }
        },
    );
}

#[test]
fn function_that_returns_nothing() {
    check("unit", quote!(), quote! { fn tick() { tokio::spawn(tock()); } });
}

#[test]
fn function_that_keeps_its_frame() {
    check(
        "in_frame",
        quote!(),
        quote! {
            #[track_caller]
            fn first(list: &[u8]) -> Option<u8> { let first = list.first()?; return Some(*first); }
        },
    );
}

#[test]
fn function_that_returns_a_boxed_future() {
    check(
        "boxed_future",
        quote!(attr(id)),
        quote! {
            fn load(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> { Box::pin(async move { id }) }
        },
    );
}

#[test]
fn function_that_returns_a_stream() {
    check("stream", quote!(), quote! { fn ids(&self) -> impl Stream<Item = u64> { iter(0..3) } });
}

#[test]
fn every_step_at_entry_and_exit() {
    check(
        "everything",
        quote! {
            name = "load", kind = client, parent = headers, links(&links), when = id > 0, attr(id, ?opts),
            ok(found => found.rows), err(Error { code, .. } => code), error_if(e => e.code > 499)
        },
        quote! {
            fn load(headers: &Headers, links: Vec<Context>, id: u64, opts: Opts, (_, b): (u8, u8)) -> Result<Found, Error> {
                find(id)
            }
        },
    );
}

#[test]
fn impl_block() {
    check(
        "impl_block",
        quote!(kind = client),
        quote! {
            impl Store {
                const SIZE: usize = 3;
                fn get(self: Arc<Self>) -> u8 { self.0 }
                #[traced(skip)]
                fn len(&self) -> usize { 0 }
            }
        },
    );
}

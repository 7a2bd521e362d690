//! What stands in the parentheses of `#[traced(…)]`: syntax alone, every key with its place.
//!
//! The list [`ARGUMENTS`] is the only one: parsing and suggestions read it, and the README's table is tested by it.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Pat, Path, Token};

use crate::attribute::{Attribute, Form};
use crate::errors::Errors;
use crate::suggest;

/// One argument of the language.
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    /// How it is written; shown when it is written otherwise.
    pub(crate) form: &'static str,
    parse: fn(ParseStream<'_>, &mut Args, Ident) -> syn::Result<()>,
    /// Whether it may stand on a whole `impl` block.
    pub(crate) on_impl: bool,
}

macro_rules! arguments {
    ($($name:literal $form:literal $slot:ident $on_impl:ident $parse:expr;)*) => {
        /// Every argument there is, in the order of the documentation.
        pub(crate) const ARGUMENTS: &[Argument] = &[$(Argument {
            name: $name,
            form: $form,
            parse: |input, args, key| {
                let parse: fn(ParseStream<'_>, &Ident) -> syn::Result<_> = $parse;
                let value = parse(input, &key)?;
                put(&mut args.$slot, key, value)
            },
            on_impl: arguments!(@$on_impl),
        }),*];

        impl Args {
            /// The keys that were given, by name, in the order of [`ARGUMENTS`].
            pub(crate) fn given(&self) -> Vec<(&'static Argument, &Ident)> {
                let slots = [$(self.$slot.as_ref().map(|slot| &slot.key)),*];
                ARGUMENTS.iter().zip(slots).filter_map(|(argument, key)| Some((argument, key?))).collect()
            }

            /// Without what cannot stand on a whole `impl` block.
            pub(crate) fn of_an_impl(mut self) -> Self {
                $(if !arguments!(@$on_impl) { self.$slot = None; })*
                self
            }

            /// Takes from `outer` what is not given here.
            pub(crate) fn or(mut self, outer: &Self) -> Self {
                $(if self.$slot.is_none() { self.$slot = outer.$slot.clone(); })*
                self
            }
        }
    };
    (@both) => { true };
    (@function) => { false };
}

arguments! {
    "name" "name = \"…\"" name function |input, key| named(input, key, "name", "a span name is a literal, because names must be few; put the value in `attr(…)`");
    "kind" "kind = server" kind both kind;
    "attr" "attr(key = value)" attr function |input, key| list(input, key, "attr(key = value)");
    "ret" "ret(value => key = value)" ret function ret;
    "ok" "ok(value => key = value)" ok function |input, key| exit(input, key, "ok(value => key = value)");
    "err" "err(error => key = value)" err function |input, key| exit(input, key, "err(error => key = value)");
    "error_if" "error_if(error => bool)" error_if function error_if;
    "errors" "errors = off" errors both off;
    "parent" "parent = headers" parent function |input, key| expr(input, key, "parent = headers");
    "root" "root" root both root;
    "links" "links(contexts)" links function links;
    "when" "when = condition" when function |input, key| expr(input, key, "when = condition");
    "leaf" "leaf" leaf both flag;
    "timing" "timing" timing function flag;
    "propagate" "propagate = off" propagate both propagate;
    "future" "future" future function flag;
    "stream" "stream" stream function flag;
    "scope" "scope = \"…\"" scope both |input, key| named(input, key, "scope", "a scope is a literal; it is a constant of the call site");
    "skip" "skip" skip function flag;
    "crate" "crate = path" krate both path;
}

/// Pairs that exclude each other.
pub(crate) const CONFLICTS: &[(&str, &str)] =
    &[("root", "parent"), ("errors", "error_if"), ("future", "stream")];

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Slot<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// The arguments as written.
#[derive(Clone, Default)]
pub(crate) struct Args {
    pub(crate) name: Option<Slot<LitStr>>,
    pub(crate) kind: Option<Slot<Ident>>,
    pub(crate) attr: Option<Slot<Attributes>>,
    pub(crate) ret: Option<Slot<Ret>>,
    pub(crate) ok: Option<Slot<Exit>>,
    pub(crate) err: Option<Slot<Exit>>,
    pub(crate) error_if: Option<Slot<ErrorIf>>,
    pub(crate) errors: Option<Slot<()>>,
    pub(crate) parent: Option<Slot<Expr>>,
    pub(crate) root: Option<Slot<Root>>,
    pub(crate) links: Option<Slot<Expr>>,
    pub(crate) when: Option<Slot<Expr>>,
    pub(crate) leaf: Option<Slot<()>>,
    pub(crate) timing: Option<Slot<()>>,
    pub(crate) propagate: Option<Slot<Propagate>>,
    pub(crate) future: Option<Slot<()>>,
    pub(crate) stream: Option<Slot<()>>,
    pub(crate) scope: Option<Slot<LitStr>>,
    pub(crate) skip: Option<Slot<()>>,
    pub(crate) krate: Option<Slot<Path>>,
}

/// A list of attributes, and the faults of those that could not be read: the others are judged all the same.
#[derive(Clone, Default)]
pub(crate) struct Attributes {
    pub(crate) list: Vec<Attribute>,
    faults: Option<syn::Error>,
}

impl Attributes {
    /// Reports what could not be read.
    pub(crate) fn report(&mut self, errors: &mut Errors) {
        if let Some(faults) = self.faults.take() {
            errors.push(faults);
        }
    }
}

/// `pattern => attributes`.
#[derive(Clone)]
pub(crate) struct Exit {
    pub(crate) pattern: Pat,
    pub(crate) attributes: Attributes,
}

/// What `ret` records.
#[derive(Clone)]
pub(crate) enum Ret {
    /// The whole value, under `return`.
    Whole(Form),
    /// Attributes taken from it.
    Exit(Box<Exit>),
}

/// `pattern => bool`.
#[derive(Clone)]
pub(crate) struct ErrorIf {
    pub(crate) pattern: Pat,
    pub(crate) condition: Expr,
}

/// What `root` does with the caller.
#[derive(Clone, Copy)]
pub(crate) enum Root {
    Unlinked,
    Linked,
}

/// Which spawn calls of the body are carried.
#[derive(Clone)]
pub(crate) enum Propagate {
    Off,
    Also(Vec<Path>),
}

impl Args {
    /// Reads all arguments; after a fault it goes on behind the next comma.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.parse_one(input) {
                    errors.push(error);
                    recover(input);
                } else if !input.is_empty() && !input.peek(Token![,]) {
                    errors.push(syn::Error::new(input.span(), "expected `,` between two arguments"));
                    recover(input);
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(LitStr) {
            let literal: LitStr = input.parse()?;
            let message = format!("an argument has a key; write `name = \"{}\"`", literal.value());
            return Err(syn::Error::new(literal.span(), message));
        }
        if !input.peek(Ident::peek_any) {
            return Err(syn::Error::new(input.span(), "expected an argument, such as `name = \"…\"`"));
        }
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        let Some(argument) = ARGUMENTS.iter().find(|argument| argument.name == name) else {
            let names: Vec<_> = ARGUMENTS.iter().map(|argument| argument.name).collect();
            return Err(syn::Error::new(
                key.span(),
                format!("unknown argument `{name}`; {}", suggest::remedy(&name, &names)),
            ));
        };
        (argument.parse)(input, self, key)
    }

    /// Pairs of given arguments that exclude each other.
    pub(crate) fn judge(&self, errors: &mut Errors) {
        let given = self.given();
        let find = |name: &str| given.iter().find(|(argument, _)| argument.name == name).map(|(_, key)| *key);
        for (one, other) in CONFLICTS {
            if let (Some(a), Some(b)) = (find(one), find(other)) {
                let later = if is_before(a.span(), b.span()) { b } else { a };
                errors.at(later, format_args!("`{one}` and `{other}` exclude each other; keep one"));
            }
        }
        if let Some(skip) = &self.skip
            && let Some((_, other)) = given.iter().find(|(argument, _)| argument.name != "skip")
        {
            let later = if is_before(skip.key.span(), other.span()) { *other } else { &skip.key };
            errors.at(later, format_args!("`skip` and `{other}` exclude each other; keep one"));
        }
    }
}

/// Whether `a` stands before `b`; outside of the compiler nothing does.
fn is_before(a: Span, b: Span) -> bool {
    if !proc_macro::is_available() {
        return true;
    }
    let place = |span: Span| {
        let span = span.unwrap();
        (span.line(), span.column())
    };
    place(a) <= place(b)
}

/// Goes to the next comma.
fn recover(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<proc_macro2::TokenTree>().is_err() {
            return;
        }
    }
}

fn put<T>(slot: &mut Option<Slot<T>>, key: Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(key.span(), format!("`{key}` is already given; keep one")));
    }
    *slot = Some(Slot { key, value });
    Ok(())
}

/// The fault of a value that is not there.
fn missing(key: &Ident, form: &str) -> syn::Error {
    syn::Error::new(key.span(), format!("`{key}` needs a value; write `{form}`"))
}

/// The fault of an argument that does not go on as it should.
fn miswritten(input: ParseStream<'_>, key: &Ident, form: &str) -> syn::Error {
    if ends(input) {
        return missing(key, form);
    }
    syn::Error::new(key.span(), format!("`{key}` is not written like this; write `{form}`"))
}

fn ends(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

fn equals(input: ParseStream<'_>, key: &Ident, form: &str) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(miswritten(input, key, form));
    }
    input.parse::<Token![=]>()?;
    if ends(input) { Err(missing(key, form)) } else { Ok(()) }
}

fn flag(input: ParseStream<'_>, key: &Ident) -> syn::Result<()> {
    if ends(input) {
        return Ok(());
    }
    Err(syn::Error::new(input.span(), format!("`{key}` takes no value; write `{key}`")))
}

/// The parentheses of `key(…)`, not empty, read to their end by `parse`.
fn inside<T>(
    input: ParseStream<'_>,
    key: &Ident,
    form: &str,
    parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(syn::token::Paren) {
        return Err(miswritten(input, key, form));
    }
    let content;
    syn::parenthesized!(content in input);
    if content.is_empty() {
        return Err(missing(key, form));
    }
    let value = parse(&content).and_then(|value| {
        if content.is_empty() {
            return Ok(value);
        }
        Err(syn::Error::new(content.span(), format!("expected nothing more; write `{form}`")))
    });
    // What a fault leaves unread would be a second one.
    content.parse::<TokenStream>()?;
    value
}

fn expr(input: ParseStream<'_>, key: &Ident, form: &str) -> syn::Result<Expr> {
    equals(input, key, form)?;
    input.parse()
}

fn named(input: ParseStream<'_>, key: &Ident, what: &str, why: &str) -> syn::Result<LitStr> {
    equals(input, key, &format!("{key} = \"…\""))?;
    let value: Expr = input.parse()?;
    let Some(literal) = literal(&value) else { return Err(syn::Error::new_spanned(value, why)) };
    if literal.value().trim().is_empty() {
        return Err(syn::Error::new(
            literal.span(),
            format!("the {what} is empty; leave `{key}` out for the default"),
        ));
    }
    Ok(literal)
}

/// The string that an expression is, also in the wrapping of a `macro_rules!`.
pub(crate) fn literal(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { attrs, lit: Lit::Str(literal) }) if attrs.is_empty() => Some(literal.clone()),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

fn kind(input: ParseStream<'_>, key: &Ident) -> syn::Result<Ident> {
    const KINDS: &[&str] = &["internal", "client", "server", "producer", "consumer"];
    equals(input, key, "kind = server")?;
    let (name, span, kind) = if input.peek(LitStr) {
        let literal: LitStr = input.parse()?;
        (literal.value(), literal.span(), None)
    } else if input.peek(Ident::peek_any) {
        let kind = input.call(Ident::parse_any)?;
        (kind.to_string(), kind.span(), Some(kind))
    } else {
        return Err(syn::Error::new(input.span(), "a kind is a bare word, such as `kind = server`"));
    };
    Err(syn::Error::new(
        span,
        match kind {
            Some(kind) if KINDS.contains(&name.as_str()) => return Ok(kind),
            None if KINDS.contains(&name.as_str()) => format!("a kind is a bare word; write `kind = {name}`"),
            _ => format!("unknown kind `{name}`; {}", suggest::remedy(&name, KINDS)),
        },
    ))
}

/// Attributes with a comma between two, all their faults at once.
pub(crate) fn attributes(input: ParseStream<'_>) -> syn::Result<Attributes> {
    let mut attributes = Attributes::default();
    while !input.is_empty() {
        let parsed = input.parse::<Attribute>().and_then(|attribute| {
            if ends(input) {
                return Ok(attribute);
            }
            let colon = input.peek(Token![:]) && !input.peek(Token![::]);
            Err(syn::Error::new(
                input.span(),
                if colon {
                    "a key and its value are joined by `=`"
                } else {
                    "expected `,` between two attributes"
                },
            ))
        });
        match parsed {
            Ok(attribute) => attributes.list.push(attribute),
            Err(error) => {
                recover(input);
                match &mut attributes.faults {
                    None => attributes.faults = Some(error),
                    Some(faults) => faults.combine(error),
                }
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(attributes)
}

fn list(input: ParseStream<'_>, key: &Ident, form: &str) -> syn::Result<Attributes> {
    inside(input, key, form, attributes)
}

fn pattern(input: ParseStream<'_>, key: &Ident, form: &str) -> syn::Result<Pat> {
    let start = input.span();
    let pattern = Pat::parse_multi(input).ok().filter(|_| input.peek(Token![=>]));
    let Some(pattern) = pattern else {
        return Err(syn::Error::new(start, format!("`{key}` needs a pattern and `=>`; write `{form}`")));
    };
    input.parse::<Token![=>]>()?;
    if input.is_empty() { Err(missing(key, form)) } else { Ok(pattern) }
}

fn exit(input: ParseStream<'_>, key: &Ident, form: &str) -> syn::Result<Exit> {
    inside(input, key, form, |input| {
        Ok(Exit { pattern: pattern(input, key, form)?, attributes: attributes(input)? })
    })
}

fn ret(input: ParseStream<'_>, key: &Ident) -> syn::Result<Ret> {
    const FORM: &str = "ret(value => key = value)";
    if ends(input) {
        return Ok(Ret::Whole(Form::ByType));
    }
    inside(input, key, FORM, |input| {
        if input.peek(Token![%]) || input.peek(Token![?]) {
            return Ok(Ret::Whole(Form::parse_optional(input)?));
        }
        Ok(Ret::Exit(Box::new(Exit { pattern: pattern(input, key, FORM)?, attributes: attributes(input)? })))
    })
}

fn error_if(input: ParseStream<'_>, key: &Ident) -> syn::Result<ErrorIf> {
    const FORM: &str = "error_if(error => bool)";
    inside(input, key, FORM, |input| {
        let error_if = ErrorIf { pattern: pattern(input, key, FORM)?, condition: input.parse()? };
        input.parse::<Option<Token![,]>>()?;
        Ok(error_if)
    })
}

fn word(input: ParseStream<'_>, key: &Ident, only: &str) -> syn::Result<()> {
    let form = format!("{key} = {only}");
    let value: Expr = expr(input, key, &form)?;
    match &value {
        Expr::Path(path) if path.path.is_ident(only) => Ok(()),
        _ => Err(syn::Error::new_spanned(
            &value,
            format!("expected `{only}`; write `{form}`, or leave `{key}` out"),
        )),
    }
}

fn off(input: ParseStream<'_>, key: &Ident) -> syn::Result<()> {
    word(input, key, "off")
}

fn root(input: ParseStream<'_>, key: &Ident) -> syn::Result<Root> {
    const FORM: &str = "root(link)";
    if ends(input) {
        return Ok(Root::Unlinked);
    }
    if input.peek(Token![=]) {
        return flag(input, key).map(|()| Root::Unlinked);
    }
    inside(input, key, FORM, |input| {
        let link = input.call(Ident::parse_any)?;
        if link == "link" {
            return Ok(Root::Linked);
        }
        Err(syn::Error::new(
            link.span(),
            "expected `link`; write `root`, or `root(link)` to link to the caller",
        ))
    })
}

fn links(input: ParseStream<'_>, key: &Ident) -> syn::Result<Expr> {
    const FORM: &str = "links(contexts)";
    inside(input, key, FORM, |input| {
        let links = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok(links)
    })
}

fn propagate(input: ParseStream<'_>, key: &Ident) -> syn::Result<Propagate> {
    if input.peek(Token![=]) {
        return off(input, key).map(|()| Propagate::Off);
    }
    inside(input, key, "propagate(my::spawn)", |input| {
        if input.peek(LitStr) {
            let literal: LitStr = input.parse()?;
            let message = format!("a path stands without quotes; write `propagate({})`", literal.value());
            return Err(syn::Error::new(literal.span(), message));
        }
        let paths = Punctuated::<Path, Token![,]>::parse_terminated(input)?;
        Ok(Propagate::Also(paths.into_iter().collect()))
    })
}

fn path(input: ParseStream<'_>, key: &Ident) -> syn::Result<Path> {
    equals(input, key, "crate = path")?;
    if input.peek(LitStr) {
        let literal: LitStr = input.parse()?;
        let message = format!("a path stands without quotes; write `crate = {}`", literal.value());
        return Err(syn::Error::new(literal.span(), message));
    }
    input.call(Path::parse_mod_style)
}

/// What stands in the parentheses of a parameter's `#[attr(…)]`: a key, a sign, both.
pub(crate) struct OnParameter {
    pub(crate) key: Option<LitStr>,
    pub(crate) form: Form,
}

impl OnParameter {
    /// What is said where something else stands there.
    pub(crate) const FORM: &str = "expected a quoted key, a sign, or both; write `#[attr(\"order.id\", ?)]`";
}

impl Parse for OnParameter {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Err(syn::Error::new(input.span(), Self::FORM));
        }
        let key: Option<LitStr> = if input.peek(LitStr) { Some(input.parse()?) } else { None };
        if let Some(key) = &key
            && key.value().trim().is_empty()
        {
            return Err(syn::Error::new(key.span(), "the key is empty; name what the value is"));
        }
        if key.is_some() && !input.is_empty() {
            input.parse::<Token![,]>().map_err(|error| syn::Error::new(error.span(), Self::FORM))?;
        }
        let form = Form::parse_optional(input)?;
        if input.is_empty() { Ok(Self { key, form }) } else { Err(syn::Error::new(input.span(), Self::FORM)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{ARGUMENTS, CONFLICTS};

    #[test]
    fn the_readmes_table_lists_every_argument_as_it_is_written() {
        let readme = include_str!("../../README.md");
        let table =
            readme.split("## Arguments").nth(1).and_then(|rest| rest.split("\n\n").nth(1)).expect("a table");
        let rows = table.lines().skip(2).map(|row| row.split('`').nth(1).expect("a form in backticks"));
        assert_eq!(
            rows.collect::<Vec<_>>(),
            ARGUMENTS.iter().map(|argument| argument.form).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_documentation_has_a_heading_for_every_argument() {
        let docs = include_str!("../../runtime/src/traced.md");
        let headings: Vec<_> = docs.lines().filter(|line| line.starts_with("## ")).collect();
        for argument in ARGUMENTS {
            let name = argument.name;
            let named = |heading: &str| {
                ["`", "("].iter().any(|end| heading.contains(&format!("`{name}{end}")))
                    || heading.contains(&format!("`{name} "))
            };
            assert!(headings.iter().any(|heading| named(heading)), "`{name}` has no heading");
        }
    }

    #[test]
    fn conflicts_name_arguments_that_exist() {
        for name in CONFLICTS.iter().flat_map(|(a, b)| [a, b]) {
            assert!(ARGUMENTS.iter().any(|argument| argument.name == *name), "`{name}`");
        }
    }
}

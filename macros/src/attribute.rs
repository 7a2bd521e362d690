//! One attribute: `[key =] [% | ?] expr`, the same wherever attributes are written.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Member, Token};

use crate::errors::Errors;

/// One attribute as written.
#[derive(Clone)]
pub(crate) struct Attribute {
    pub(crate) key: Key,
    pub(crate) form: Form,
    pub(crate) expr: Expr,
}

/// Where the key comes from.
#[derive(Clone)]
pub(crate) enum Key {
    /// Written out.
    Literal(LitStr),
    /// A constant in braces.
    Constant(TokenStream),
    /// The text of the expression.
    Text(LitStr),
}

/// How the value is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    ByType,
    Display,
    Debug,
    /// By its type, which is plainly `&'static str`: nothing needs to be copied.
    Fixed,
}

impl Form {
    /// The method that records a value so.
    pub(crate) fn method(self, span: Span) -> Ident {
        let name = match self {
            Self::ByType => "attribute",
            Self::Display => "display",
            Self::Debug => "debug",
            Self::Fixed => "fixed",
        };
        Ident::new(name, span)
    }

    /// `%`, `?`, or nothing.
    pub(crate) fn parse_optional(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(if input.parse::<Option<Token![%]>>()?.is_some() {
            Self::Display
        } else if input.parse::<Option<Token![?]>>()?.is_some() {
            Self::Debug
        } else {
            Self::ByType
        })
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ByType | Self::Fixed => "",
            Self::Display => "%",
            Self::Debug => "?",
        })
    }
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if let Some(key) = written_key(input)? {
            let form = Form::parse_optional(input)?;
            if input.is_empty() || input.peek(Token![,]) {
                let message = format!("the value is missing; write `{} = {form}…`", key.text());
                return Err(syn::Error::new(key.span(), message));
            }
            let expr: Expr = input.parse()?;
            let is_fixed = form == Form::ByType && crate::args::literal(&expr).is_some();
            return Ok(Self { key, form: if is_fixed { Form::Fixed } else { form }, expr });
        }
        if input.peek(Token![=]) {
            return Err(syn::Error::new(input.span(), "the key is missing; write `key = value`"));
        }
        let form = Form::parse_optional(input)?;
        let expr: Expr = input.parse()?;
        let Some(text) = chain_text(&expr) else { return Err(keyless(form, &expr)) };
        let key = Key::Text(LitStr::new(&text, expr.span()));
        Ok(Self { key, form, expr })
    }
}

/// The fault of an expression that is no chain of names and has no key, or something else in its place.
fn keyless(form: Form, expr: &Expr) -> syn::Error {
    match expr {
        Expr::Assign(assign) => {
            let (key, value) = (short(&assign.left), short(&assign.right));
            let message = match (form, &*assign.left) {
                (Form::ByType, Expr::Path(_)) => {
                    format!("a constant as a key stands in braces; write `{{{key}}} = {value}`")
                }
                (Form::ByType, _) => format!("`{key}` is no key; write it in quotes: `\"{key}\" = {value}`"),
                _ => format!("a sign stands before the value; write `{key} = {form}{value}`"),
            };
            syn::Error::new_spanned(&assign.left, message)
        }
        Expr::Lit(ExprLit { lit: Lit::Str(key), .. }) => {
            let message = format!("the value is missing; write `{} = …`", key.to_token_stream());
            syn::Error::new(key.span(), message)
        }
        _ => {
            let message = format!("this expression needs a key; write `key = {form}{}`", short(expr));
            syn::Error::new_spanned(expr, message)
        }
    }
}

/// The key and its `=`, if that is how the attribute begins.
fn written_key(input: ParseStream<'_>) -> syn::Result<Option<Key>> {
    let ahead = input.fork();
    let key = if ahead.peek(LitStr) {
        Key::Literal(ahead.parse()?)
    } else if ahead.peek(syn::token::Brace) {
        let constant: proc_macro2::Group = ahead.parse()?;
        if constant.stream().is_empty() {
            return Err(syn::Error::new(constant.span(), "the key is missing; write `{CONSTANT} = value`"));
        }
        Key::Constant(constant.stream())
    } else if let Ok(path) = dotted(&ahead) {
        Key::Literal(path)
    } else {
        return Ok(None);
    };
    if !ahead.peek(Token![=]) || ahead.peek(Token![==]) || ahead.peek(Token![=>]) {
        return match key {
            Key::Literal(_) | Key::Text(_) => Ok(None),
            Key::Constant(_) => {
                Err(syn::Error::new(key.span(), "a key in braces needs a value; write `{CONSTANT} = value`"))
            }
        };
    }
    ahead.parse::<Token![=]>()?;
    syn::parse::discouraged::Speculative::advance_to(input, &ahead);
    if let Key::Literal(literal) = &key
        && literal.value().trim().is_empty()
    {
        return Err(syn::Error::new(literal.span(), "the key is empty; name what the value is"));
    }
    Ok(Some(key))
}

/// `http.request.method`: words joined by dots, keywords among them.
fn dotted(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let first = input.call(Ident::parse_any)?;
    let mut span = first.span();
    let mut text = first.unraw().to_string();
    while input.peek(Token![.]) && !input.peek(Token![..]) {
        input.parse::<Token![.]>()?;
        let word = input.call(Ident::parse_any)?;
        span = span.join(word.span()).unwrap_or(span);
        text.push('.');
        text.push_str(&word.unraw().to_string());
    }
    Ok(LitStr::new(&text, span))
}

/// The text of a name or a field chain, without a leading `self.`; `None` for anything else.
fn chain_text(expr: &Expr) -> Option<String> {
    let mut fields = Vec::new();
    let mut expr = expr;
    loop {
        match expr {
            Expr::Field(field) => {
                fields.push(match &field.member {
                    Member::Named(name) => name.unraw().to_string(),
                    Member::Unnamed(index) => index.index.to_string(),
                });
                expr = &field.base;
            }
            // What `macro_rules!` wraps a `$value:expr` in.
            Expr::Group(group) => expr = &group.expr,
            Expr::Path(path) if path.qself.is_none() => {
                let root = path.path.get_ident()?;
                if root != "self" {
                    fields.push(root.unraw().to_string());
                } else if fields.is_empty() {
                    return None;
                }
                fields.reverse();
                return Some(fields.join("."));
            }
            _ => return None,
        }
    }
}

/// The name a chain begins with.
pub(crate) fn root(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Field(field) => root(&field.base),
        Expr::Group(group) => root(&group.expr),
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

/// An expression as a message shows it: whole if short.
fn short(expr: &Expr) -> String {
    let text = expr.to_token_stream().to_string();
    let text = text.replace(" . ", ".").replace(" (", "(").replace("( ", "(").replace(" :: ", "::");
    let text = text.replace(" [", "[");
    let text = text.strip_prefix("& ").map_or(text.clone(), |rest| format!("&{rest}"));
    if text.chars().count() <= 40 { text } else { "…".to_owned() }
}

impl Key {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Literal(literal) | Self::Text(literal) => literal.span(),
            Self::Constant(tokens) => tokens.span(),
        }
    }

    /// The key as a message shows it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Literal(literal) | Self::Text(literal) => literal.value(),
            Self::Constant(tokens) => format!("{{{tokens}}}"),
        }
    }
}

impl ToTokens for Key {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(literal) | Self::Text(literal) => literal.to_tokens(tokens),
            Self::Constant(constant) => constant.to_tokens(tokens),
        }
    }
}

impl Attribute {
    /// The statement that records this attribute on `to`.
    pub(crate) fn record(&self, to: &TokenStream) -> TokenStream {
        let Self { key, form, expr } = self;
        // A type that cannot be recorded is reported at the expression the user wrote.
        let span = Span::mixed_site().located_at(place(expr));
        let method = form.method(span);
        let value = match form {
            Form::Fixed => expr.to_token_stream(),
            Form::ByType | Form::Display | Form::Debug => quote_spanned!(span=> &(#expr)),
        };
        quote_spanned!(span=> #to.#method(#key, #value);)
    }
}

/// The token of an expression that says what it is: of a chain, its last name.
fn place(expr: &Expr) -> Span {
    match expr {
        Expr::Call(call) => place(&call.func),
        Expr::Field(field) => field.member.span(),
        Expr::Group(group) => place(&group.expr),
        Expr::MethodCall(call) => call.method.span(),
        Expr::Path(path) => path.path.segments.last().map_or_else(|| path.span(), |last| last.ident.span()),
        Expr::Reference(reference) => place(&reference.expr),
        _ => expr.span(),
    }
}

/// A key twice, a plain secret, or an expression that would leave the function.
pub(crate) fn judge(attributes: &[Attribute], errors: &mut Errors) {
    let mut keys = Vec::new();
    for attribute in attributes {
        let key = attribute.key.text();
        if keys.contains(&key) {
            errors.push(syn::Error::new(
                attribute.key.span(),
                format!("`{key}` is already recorded; give one of them another key"),
            ));
        }
        if let Key::Text(_) = &attribute.key
            && is_secret(&key)
        {
            errors.push(secret(place(&attribute.expr), &key));
        }
        if let Some(leaving) = leaving(&attribute.expr) {
            errors.push(leaving);
        }
        keys.push(key);
    }
}

/// The fault of recording something that is plainly a secret.
pub(crate) fn secret(span: Span, name: &str) -> syn::Error {
    let last = name.rsplit('.').next().unwrap_or(name);
    syn::Error::new(
        span,
        format!(
            "`{last}` looks like a secret; record `{last} = traced::mask::redacted(…)`, \
             or give it an explicit key if it is none"
        ),
    )
}

/// Names that are plainly secrets, as whole words of a snake-case name.
const SECRETS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "api_key",
    "apikey",
    "authorization",
    "access_token",
    "refresh_token",
    "auth_token",
    "bearer_token",
    "session_token",
    "id_token",
    "private_key",
    "secret_key",
    "client_secret",
    "credential",
    "credentials",
    "card_number",
    "cvv",
    "cvc",
    "ssn",
    "pin_code",
];

/// Whether the last word of a key is the name of a secret, ends in one, or is one's hash, text or value.
pub(crate) fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    SECRETS.iter().any(|secret| {
        name == *secret
            || name.strip_suffix(secret).is_some_and(|before| before.ends_with('_'))
            || name
                .strip_prefix(secret)
                .is_some_and(|after| matches!(after, "_hash" | "_text" | "_plain" | "_value"))
    })
}

/// `?`, `return` and `.await` in a captured expression would change what the function does.
pub(crate) fn leaving(expr: &Expr) -> Option<syn::Error> {
    let leave = crate::track::first_exit(expr)?;
    Some(syn::Error::new_spanned(
        &leave,
        "a captured expression cannot leave the function; compute the value in the body and use `traced::set!`",
    ))
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Form, is_secret};

    fn key(text: &str) -> String {
        syn::parse_str::<Attribute>(text)
            .map_or_else(|error| error.to_string(), |attribute| attribute.key.text())
    }

    #[test]
    fn a_key_is_written_or_the_text_of_a_chain() {
        assert_eq!(key("order.id"), "order.id");
        assert_eq!(key("self.tenant"), "tenant");
        assert_eq!(key("self.0.name"), "0.name");
        assert_eq!(key("%self.a.b"), "a.b");
        assert_eq!(key("\"url.full\" = %url"), "url.full");
        assert_eq!(key("http.request.type = kind"), "http.request.type");
        assert_eq!(key("{semconv::PEER} = peer"), "{semconv :: PEER}");
        assert_eq!(key("r#type"), "type");
        assert_eq!(key("a == b"), "this expression needs a key; write `key = a == b`");
        assert_eq!(key("cart.total()"), "this expression needs a key; write `key = cart.total()`");
        assert_eq!(key("total ="), "the value is missing; write `total = …`");
        assert_eq!(key("\"\" = x"), "the key is empty; name what the value is");
    }

    #[test]
    fn a_sign_says_how_the_value_is_made() {
        let form = |text: &str| syn::parse_str::<Attribute>(text).map(|attribute| attribute.form).ok();
        assert!(form("%x") == Some(Form::Display));
        assert!(form("a = ?x") == Some(Form::Debug));
        assert!(form("a = x % 2") == Some(Form::ByType));
    }

    #[test]
    fn secrets_are_known_by_their_last_word() {
        for secret in
            ["password", "user.password", "user_password", "apikey", "self.api_key", "card_number", "Passwd"]
        {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in ["passport", "secretary", "pin", "token_count", "password_length", "author", "cvs"] {
            assert!(!is_secret(plain), "{plain}");
        }
    }
}

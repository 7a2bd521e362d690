//! What will be done: every default filled in, every conflict found. Nothing is emitted here.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::{Expr, FnArg, Ident, LitStr, Pat, Path, ReturnType};

use crate::args::{Args, ErrorIf, Exit, OnParameter, Propagate, Ret, Root};
use crate::attribute::{self, Attribute, Form, Key};
use crate::errors::Errors;
use crate::function::{Body, Function};
use crate::parameters::parameters;
use crate::returned::{gives_nothing, plainly_no_alias, returned, value};
use crate::suggest;

/// A traced function, ready to be emitted.
pub(crate) struct Model {
    /// The function with the signature it will have.
    pub(crate) function: Function,
    pub(crate) krate: TokenStream,
    pub(crate) site: Site,
    pub(crate) shape: Shape,
    pub(crate) value: Value,
    pub(crate) home: Home,
    pub(crate) bindings: Vec<TokenStream>,
    pub(crate) entry: Entry,
    pub(crate) exits: Vec<Taken>,
    pub(crate) errors: Judge,
    pub(crate) spawns: Spawns,
}

/// The constants of the call site.
pub(crate) struct Site {
    pub(crate) name: LitStr,
    pub(crate) kind: Ident,
    pub(crate) scope: (String, String),
    pub(crate) place: Span,
    pub(crate) is_leaf: bool,
}

/// What the span stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// The call of a plain function.
    Sync,
    /// The future of an `async fn`.
    Async,
    /// The future that the function returns.
    Future(Held),
    /// The stream that the function returns.
    Stream(Held),
}

/// Where the body runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// In a closure or an `async` block, which owns the parameters and sees every return.
    Own,
    /// In the function's frame, as a labelled block: a closure is no `#[track_caller]`.
    Frame,
    /// In the function's frame, as it was: its value is of no interest, and only there has it a type.
    Bare,
}

/// How a returned future or stream is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// `impl Future`: it may be wrapped in another type.
    ByValue,
    /// `Pin<Box<dyn Future>>` or an alias: it is boxed again.
    Boxed,
}

/// The type that the body gives.
pub(crate) enum Value {
    Unit,
    Never,
    /// It can be written in a `let`.
    Written(TokenStream),
    /// It is an `impl Trait`, which only inference knows.
    Opaque,
    /// The future that is returned gives it.
    Output(TokenStream),
    /// Nothing is known of it.
    Inferred,
}

/// What happens before the body.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) when: Option<Expr>,
    pub(crate) parent: Option<Expr>,
    pub(crate) root: Option<Root>,
    pub(crate) links: Option<Expr>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) timing: bool,
}

/// Attributes taken from the value.
pub(crate) enum Taken {
    Whole(Form, Span),
    Of(Part, Box<Exit>),
}

/// Which part of the value a pattern is bound to.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Value,
    Success(Span),
    Error(Span),
}

/// What an `Err` is.
pub(crate) enum Judge {
    /// What its type says.
    ByType,
    /// An ordinary value.
    Off,
    /// A fault if the condition holds.
    If(Span, Box<ErrorIf>),
}

/// Which spawn calls of the body are carried.
pub(crate) enum Spawns {
    None,
    Known(Vec<Path>),
}

/// Where the function stands.
pub(crate) struct Surroundings {
    /// `Type` in a traced `impl`.
    pub(crate) type_name: Option<String>,
}

impl Model {
    /// Judges a function and its arguments. All faults are found; with one, there is no model.
    pub(crate) fn judge(
        mut args: Args,
        function: Function,
        around: &Surroundings,
        errors: &mut Errors,
    ) -> Result<Self, Box<Function>> {
        if !matches!(function.body, Body::Block(_)) {
            errors.at(
                &function.sig.ident,
                "a function without a body cannot be traced; put `#[traced]` where the body is",
            );
        }
        if let Some(token) = &function.sig.constness {
            errors.at(token, "`const fn` cannot be traced; spans start at run time");
        }
        if let Some(variadic) = &function.sig.variadic {
            errors.at(variadic, "a variadic function cannot be traced; trace what it calls");
        }
        if let (Some(skip), None) = (&args.skip, &around.type_name) {
            errors.at(&skip.key, "`skip` stands inside a traced `impl`; remove the attribute instead");
        }
        let is_ours = |attribute: &&syn::Attribute| {
            attribute.path().segments.last().is_some_and(|last| last.ident == "traced")
        };
        if let Some(again) = function.attrs.iter().find(is_ours) {
            errors.at(again, "`#[traced]` is already given; keep one");
        }
        args.judge(errors);

        let captured = on_parameters(&function, errors);
        let function = function.without_attr();
        let shape = shape(&function, &args, errors);
        let value = value(&function.sig.output, shape);
        let home = home(&function, &args, shape, &value);
        let (parameters, bindings, moved) = parameters(&function, &args, &captured);
        let (bindings, sig) =
            if home == Home::Bare { (Vec::new(), function.sig.clone()) } else { (bindings, moved) };
        let mut given = args.attr.take().map(|slot| slot.value).unwrap_or_default();
        given.report(errors);
        let mut attributes: Vec<_> = captured.into_iter().chain(given.list).collect();
        fix(&mut attributes, &function.sig);
        judge_names(&attributes, &parameters, errors);
        attribute::judge(&attributes, errors);
        judge_leaving(&args, errors);
        judge_exits(&args, shape, &function.sig.output, errors);
        let exits = exits(&mut args, errors);
        if !errors.is_empty() {
            return Err(Box::new(function));
        }

        let krate = args.krate.map_or_else(|| quote::quote!(::traced), |slot| slot.value.to_token_stream());
        let default_name = || {
            let name = function.sig.ident.unraw().to_string();
            let name =
                around.type_name.as_ref().map_or(name.clone(), |type_name| format!("{type_name}::{name}"));
            LitStr::new(&name, function.sig.ident.span())
        };
        let site = Site {
            name: args.name.map_or_else(default_name, |slot| slot.value),
            kind: args.kind.map_or_else(|| format_ident!("Internal"), |slot| camel(&slot.value)),
            scope: args.scope.map_or_else(callers_crate, |slot| (slot.value.value(), String::new())),
            place: function.sig.ident.span(),
            is_leaf: args.leaf.is_some(),
        };
        Ok(Self {
            krate,
            site,
            shape,
            value,
            home,
            bindings,
            entry: Entry {
                when: args.when.map(|slot| slot.value),
                parent: args.parent.map(|slot| slot.value),
                root: args.root.map(|slot| slot.value),
                links: args.links.map(|slot| slot.value),
                attributes,
                timing: args.timing.is_some(),
            },
            exits,
            errors: match (args.errors, args.error_if) {
                (Some(_), _) => Judge::Off,
                (_, Some(slot)) => Judge::If(slot.key.span(), Box::new(slot.value)),
                _ => Judge::ByType,
            },
            spawns: match args.propagate.map(|slot| slot.value) {
                None => Spawns::Known(Vec::new()),
                Some(Propagate::Also(paths)) => Spawns::Known(paths),
                Some(Propagate::Off) => Spawns::None,
            },
            function: Function { sig, ..function },
        })
    }
}

/// Name and version of the crate that is being compiled.
pub(crate) fn callers_crate() -> (String, String) {
    let of = |variable| std::env::var(variable).unwrap_or_default();
    let name = of("CARGO_PKG_NAME");
    (if name.is_empty() { "unknown".to_owned() } else { name }, of("CARGO_PKG_VERSION"))
}

/// `server` as the variant `Server`.
fn camel(kind: &Ident) -> Ident {
    let name = kind.to_string();
    let (first, rest) = name.split_at(1);
    Ident::new(&(first.to_uppercase() + rest), kind.span())
}

/// The attributes that parameters carry themselves.
fn on_parameters(function: &Function, errors: &mut Errors) -> Vec<Attribute> {
    let mut captured = Vec::new();
    for input in &function.sig.inputs {
        let (attrs, name, pattern) = match input {
            FnArg::Receiver(receiver) => (&receiver.attrs, Some(Ident::from(receiver.self_token)), None),
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(ident) if ident.subpat.is_none() => {
                    (&typed.attrs, Some(ident.ident.clone()), None)
                }
                pattern => (&typed.attrs, None, Some(pattern)),
            },
        };
        for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("attr")) {
            let on = match &attribute.meta {
                syn::Meta::Path(_) => Some(OnParameter { key: None, form: Form::ByType }),
                syn::Meta::NameValue(_) => {
                    errors.at(&attribute.meta, OnParameter::FORM);
                    None
                }
                syn::Meta::List(_) => errors.keep(attribute.parse_args::<OnParameter>()),
            };
            let Some(on) = on else { continue };
            let Some(name) = &name else {
                errors.at(
                    pattern,
                    "`#[attr]` cannot name a pattern; name what it binds in `attr(…)` of `#[traced]`",
                );
                continue;
            };
            let text = name.unraw().to_string();
            if text == "self" && on.key.is_none() {
                errors.at(attribute, "`self` needs a key; write `#[attr(\"key\")]`");
                continue;
            }
            captured.push(Attribute {
                key: on.key.map_or_else(|| Key::Text(LitStr::new(&text, name.span())), Key::Literal),
                form: on.form,
                expr: syn::parse_quote!(#name),
            });
        }
    }
    captured
}

/// Sees which attributes are parameters of the very type `&'static str`. Under another name the type is as good, and its
/// text is copied.
fn fix(attributes: &mut [Attribute], sig: &syn::Signature) {
    let is_static = |ty: &syn::Type| match ty {
        syn::Type::Reference(reference) => {
            reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
                && reference.mutability.is_none()
                && matches!(&*reference.elem, syn::Type::Path(path) if path.path.is_ident("str"))
        }
        _ => false,
    };
    for input in &sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let Pat::Ident(name) = &*typed.pat else { continue };
        if name.by_ref.is_some() || name.subpat.is_some() || !is_static(&typed.ty) {
            continue;
        }
        for attribute in attributes.iter_mut().filter(|attribute| attribute.form == Form::ByType) {
            if matches!(&attribute.expr, Expr::Path(path) if path.path.is_ident(&name.ident)) {
                attribute.form = Form::Fixed;
            }
        }
    }
}

/// What is evaluated beside the body cannot leave the function.
fn judge_leaving(args: &Args, errors: &mut Errors) {
    let of = |slot: &Option<crate::args::Slot<Expr>>| slot.clone().map(|slot| (slot.key, slot.value));
    let error_if = args.error_if.clone().map(|slot| (slot.key, slot.value.condition));
    for (key, value) in [of(&args.when), of(&args.parent), of(&args.links), error_if].into_iter().flatten() {
        if let Some(leave) = crate::track::first_exit(&value) {
            errors.at(&leave, format_args!("`{key}` cannot leave the function; put `{leave}` into the body"));
        }
    }
}

/// A shorthand must begin with a parameter.
fn judge_names(attributes: &[Attribute], parameters: &[Ident], errors: &mut Errors) {
    for attribute in attributes {
        let Key::Text(_) = attribute.key else { continue };
        let Some(root) = attribute::root(&attribute.expr) else { continue };
        judge_name(root, parameters, "no parameter", errors);
    }
}

fn judge_name(root: &Ident, known: &[Ident], what: &str, errors: &mut Errors) {
    if known.contains(root) || known.iter().any(|name| name.unraw() == root.unraw()) {
        return;
    }
    let names: Vec<String> = known.iter().map(|name| name.unraw().to_string()).collect();
    // A pattern has names of types as well, which nobody means.
    let names: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !name.starts_with(char::is_uppercase)).collect();
    let name = root.to_string();
    let remedy = if name == "self" {
        "this function has no receiver".to_owned()
    } else if names.is_empty() || name.starts_with(char::is_uppercase) {
        format!("give the expression a key: `key = {name}`")
    } else {
        suggest::remedy(&name, &names)
    };
    errors.at(root, format_args!("{what} `{name}`; {remedy}"));
}

/// Which of the four shapes the function has.
fn shape(function: &Function, args: &Args, errors: &mut Errors) -> Shape {
    let sig = &function.sig;
    let seen = if sig.asyncness.is_some() { Shape::Async } else { returned(&sig.output) };
    for (slot, word) in [(&args.future, "future"), (&args.stream, "stream")] {
        let Some(slot) = slot else { continue };
        let none = match seen {
            Shape::Async => Some(format!("an `async fn` is its own {word}; remove `{word}`")),
            Shape::Sync if plainly_no_alias(&sig.output) => {
                Some(format!("this function returns no {word}; remove `{word}`"))
            }
            Shape::Future(_) if word == "stream" => {
                Some("this function returns a future; remove `stream`".to_owned())
            }
            Shape::Stream(_) if word == "future" => {
                Some("this function returns a stream; remove `future`".to_owned())
            }
            _ => None,
        };
        if let Some(message) = none {
            errors.at(&slot.key, message);
        }
    }
    let shape = match (seen, &args.future, &args.stream) {
        (Shape::Sync, Some(_), _) => Shape::Future(Held::Boxed),
        (Shape::Sync, _, Some(_)) => Shape::Stream(Held::Boxed),
        (seen, ..) => seen,
    };
    if let (Some(timing), Shape::Sync) = (&args.timing, shape) {
        errors.at(&timing.key, "`timing` measures the polls of a future; this function is not async");
    }
    shape
}

/// `#[track_caller]`, also behind a `cfg_attr` that may hold.
fn names_track_caller(attribute: &syn::Attribute) -> bool {
    let is = |name: &Ident| name == "track_caller";
    match &attribute.meta {
        syn::Meta::Path(path) => path.get_ident().is_some_and(is),
        syn::Meta::List(list) => list.path.is_ident("cfg_attr") && names(list.tokens.clone()).iter().any(is),
        syn::Meta::NameValue(_) => false,
    }
}

/// Where the body has to run to be what it was.
fn home(function: &Function, args: &Args, shape: Shape, value: &Value) -> Home {
    let is_tracked = function.attrs.iter().any(names_track_caller);
    let is_read = args.ret.is_some() || args.ok.is_some() || args.err.is_some() || args.error_if.is_some();
    match (shape, value) {
        (Shape::Async, _) => Home::Own,
        (Shape::Sync, Value::Opaque) if !is_read => Home::Bare,
        (Shape::Sync, Value::Never) if is_tracked => Home::Bare,
        _ if is_tracked => Home::Frame,
        _ => Home::Own,
    }
}

/// A place in the user's source that names resolve from as from the macro's call.
pub(crate) fn ours(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// `ok`, `err` and `error_if` need a value that can be one.
fn judge_exits(args: &Args, shape: Shape, output: &ReturnType, errors: &mut Errors) {
    let keys = [
        args.ok.as_ref().map(|slot| (&slot.key, "returns no `Result` or `Option`", plainly_no_alias(output))),
        args.err.as_ref().map(|slot| (&slot.key, "returns no `Result`", plainly_no_alias(output))),
        args.error_if.as_ref().map(|slot| (&slot.key, "returns no `Result`", plainly_no_alias(output))),
        args.ret.as_ref().map(|slot| (&slot.key, "returns nothing", gives_nothing(output))),
    ];
    for (key, why, no_value) in keys.into_iter().flatten() {
        if matches!(shape, Shape::Stream(_)) {
            errors.at(
                key,
                format_args!("a stream has no one value; record its items in the body instead of `{key}`"),
            );
        } else if no_value {
            errors.at(key, format_args!("this function {why}; remove `{key}`"));
        }
    }
}

fn exits(args: &mut Args, errors: &mut Errors) -> Vec<Taken> {
    let mut exits = Vec::new();
    if let Some(slot) = args.ret.take() {
        exits.push(match slot.value {
            Ret::Whole(form) => Taken::Whole(form, slot.key.span()),
            Ret::Exit(exit) => Taken::Of(Part::Value, exit),
        });
    }
    if let Some(slot) = args.ok.take() {
        exits.push(Taken::Of(Part::Success(slot.key.span()), Box::new(slot.value)));
    }
    if let Some(slot) = args.err.take() {
        exits.push(Taken::Of(Part::Error(slot.key.span()), Box::new(slot.value)));
    }
    for taken in &mut exits {
        let Taken::Of(_, exit) = taken else { continue };
        exit.attributes.report(errors);
        attribute::judge(&exit.attributes.list, errors);
        let bound = names(exit.pattern.to_token_stream());
        for attribute in &exit.attributes.list {
            if let (Key::Text(_), Some(root)) = (&attribute.key, attribute::root(&attribute.expr)) {
                judge_name(root, &bound, "the pattern binds no", errors);
            }
        }
    }
    exits
}

/// All names in some tokens.
pub(crate) fn names(tokens: TokenStream) -> Vec<Ident> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(ident) => vec![ident],
            TokenTree::Group(group) => names(group.stream()),
            _ => Vec::new(),
        })
        .collect()
}

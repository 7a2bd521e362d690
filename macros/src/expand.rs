//! The model as tokens. Nothing is judged here, and nothing can fail.
//!
//! Every shape is the same frame: a `Call` held by the function, what happens at entry, the body, what is taken
//! from its value, and the end. The shapes part in one place, [`Model::expand`], over what the body is.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

use crate::args::{ErrorIf, Exit, Root};
use crate::function::{Body, Function, split_inner_attributes};
use crate::model::{Held, Home, Judge, Model, Part, Shape, Site, Spawns, Taken, Value, ours};
use crate::{spawn, track};

impl Model {
    /// The whole function.
    pub(crate) fn expand(&self) -> TokenStream {
        let Function { attrs, vis, defaultness, sig, body } = &self.function;
        let Body::Block(body) = body else { return self.function.to_token_stream() };
        let (inner_attrs, statements) = split_inner_attributes(body);
        let block = self.user_block(body, statements);
        let private = self.private();
        let (start, is_inside) = self.start();
        let (enter, run) = if is_inside {
            (TokenStream::new(), emit!(#private::made))
        } else {
            (emit!(__traced_call.enter(#private::name_of(|| ()));), emit!(__traced_call.run))
        };
        let finish = self.finish(&emit!(&__traced_value));

        // Input:  async fn f(a: A) -> R { … }
        // Output: async fn f(a: A) -> R {
        //     let mut call = Call::new(site);  if call.… { attributes }
        //     let body = async move { let a = a;  match () { () => { … } } };
        //     let value = Drive { call: Driven(&mut call), body: pin!(body) }.await;
        //     <attributes of the value>  probe(&value).end(call);
        //     value
        // }
        let rest = match (self.shape, self.home) {
            (Shape::Sync, Home::Bare) => emit!(#enter #block),
            (Shape::Sync, Home::Frame) => {
                let value = self.body_in_frame(block);
                emit! {
                    #enter
                    let __traced_value = #value;
                    #finish
                    __traced_value
                }
            }
            // Nothing comes behind a value that never is.
            (Shape::Sync, Home::Own) if matches!(self.value, Value::Never) => {
                let body = self.closure(&block);
                emit!(#run(#body))
            }
            (Shape::Sync, Home::Own) => {
                let body = self.closure(&block);
                emit! {
                    let __traced_value = #run(#body);
                    #finish
                    __traced_value
                }
            }
            (Shape::Async, _) => {
                let body = self.async_block(&block);
                let give = if matches!(self.value, Value::Never) {
                    emit!(match __traced_value {})
                } else {
                    emit!(__traced_value)
                };
                emit! {
                    let __traced_body = #body;
                    let __traced_value = #private::Drive {
                        call: #private::Driven(&mut __traced_call),
                        body: #private::pin!(__traced_body),
                    }
                    .await;
                    #finish
                    #give
                }
            }
            (Shape::Future(held), _) => {
                let made = self.made(block);
                let finish = self.finish(&emit!(__traced_value));
                let outcome = emit!(|__traced_value: &_, mut __traced_call: #private::Call| { #finish });
                self.hand_over(held, &made, "traced", "BoxedFuture", &outcome)
            }
            (Shape::Stream(held), _) => {
                let made = self.made(block);
                let outcome = emit!(|__traced_call: #private::Call| __traced_call.end());
                self.hand_over(held, &made, "traced_stream", "BoxedStream", &outcome)
            }
        };
        let content = emit!(#start #rest);
        // The user's braces: lints on the whole item look at where it ends.
        let mut braces = Group::new(Delimiter::Brace, content);
        braces.set_span(body.span());
        emit! {
            #(#attrs)*
            #(#inner_attrs)*
            #vis #defaultness #sig #braces
        }
    }

    fn private(&self) -> TokenStream {
        let krate = &self.krate;
        emit!(#krate::__private)
    }

    /// The user's statements, in the user's braces: their edition says when temporaries of the last one go.
    fn user_block(&self, body: &Group, statements: TokenStream) -> TokenStream {
        let statements = match &self.spawns {
            Spawns::None => statements,
            Spawns::Known(also) => spawn::carry(statements, also, &self.krate),
        };
        braced(statements, body.span())
    }

    /// `let mut call = …;` and everything that is evaluated before the body, and whether the span is entered by then.
    fn start(&self) -> (TokenStream, bool) {
        let private = self.private();
        let site = self.site.tokens(&private);
        let entry = &self.entry;
        let call = emit!(__traced_call);

        let mut steps = match entry.root {
            None => TokenStream::new(),
            Some(Root::Unlinked) => emit!(#call.root();),
            Some(Root::Linked) => emit!(#call.root_linked();),
        };
        if let Some(links) = &entry.links {
            let span = located(links);
            steps.extend(quote_spanned!(span=> #call.links(#links);));
        }
        if entry.timing {
            steps.extend(emit!(#call.time();));
        }
        let alone = steps.is_empty() && entry.when.is_none() && entry.parent.is_none();
        // A call that may yet get another parent, or none at all, does not start before it is known.
        let new = match self.shape {
            Shape::Sync | Shape::Async if entry.parent.is_some() => emit!(under(#site)),
            Shape::Future(_) | Shape::Stream(_) if entry.parent.is_some() => emit!(under(__traced_site)),
            Shape::Sync if alone && entry.attributes.is_empty() => {
                emit!(inside(#site, #private::name_of(|| ())))
            }
            Shape::Sync if alone => emit!(capturing(#site, #private::name_of(|| ()))),
            Shape::Async if alone => emit!(new(#site)),
            Shape::Sync | Shape::Async => emit!(later(#site)),
            Shape::Future(_) | Shape::Stream(_) => emit!(later(__traced_site)),
        };
        if !entry.attributes.is_empty() {
            let wants = match self.shape {
                Shape::Sync | Shape::Async => emit!(wants_attributes),
                Shape::Future(_) | Shape::Stream(_) => emit!(may_want_attributes),
            };
            let records = entry.attributes.iter().map(|attribute| attribute.record(&call));
            // A call that is entered at once was not, if it is to be judged by these.
            let all = (alone && self.shape == Shape::Sync).then(|| emit!(#call.captured();));
            steps.extend(emit!(if #call.#wants() { #(#records)* #all }));
        }
        let condition = entry.when.as_ref().map(|when| {
            let span = located(when);
            quote_spanned!(span=> #private::holds(#when))
        });
        if let Some(parent) = &entry.parent {
            // It is current also where there is no span, and is evaluated then, too.
            let when = condition.map(|holds| emit!(if #call.starts() && !#holds { #call.without(); }));
            let span = located(parent);
            let parent = quote_spanned!(span=> #call.parent(&#parent););
            let rest = if steps.is_empty() { steps } else { emit!(if #call.starts() { #steps }) };
            steps = emit!(#when #parent #rest);
        } else if let Some(condition) = condition {
            steps = emit!(if #condition { #steps } else { #call.off(); });
        }
        // Attributes alone ask for themselves whether the call is on.
        if !steps.is_empty() && !alone {
            steps = emit!(if #call.on() { #steps });
        }
        let is_inside = alone && self.shape == Shape::Sync;
        let start = match self.shape {
            Shape::Sync | Shape::Async => emit! {
                let mut __traced_call = #private::Call::#new;
                #steps
            },
            Shape::Future(_) | Shape::Stream(_) => emit! {
                let __traced_site = #site;
                let mut __traced_call = #private::Call::#new;
                #steps
            },
        };
        (start, is_inside)
    }

    /// What is taken from the value, and the end of the call. `value` is a reference to the value.
    fn finish(&self, value: &TokenStream) -> TokenStream {
        let private = self.private();
        let call = emit!(__traced_call);
        let records: TokenStream = self.exits.iter().map(|taken| self.take(taken, value)).collect();
        let records = if records.is_empty() { records } else { emit!(if #call.came_back() { #records }) };
        let end = match (&self.value, &self.errors) {
            (Value::Unit | Value::Never, _) if self.gives_itself() => emit!(#call.end();),
            (_, Judge::Off) => emit!(#call.pass();),
            (_, Judge::ByType) => emit!(#private::probe(#value).end(#call, #private::Verdict::Fault);),
            (_, Judge::If(span, error_if)) => {
                let ErrorIf { pattern, condition } = &**error_if;
                let span = ours(*span);
                let is_fault = at(span, &emit!(#private::is_fault));
                let at = located(condition);
                let condition = quote_spanned!(at=> #private::holds(#condition));
                emit! {
                    let __traced_verdict = #is_fault(&__traced_call, #value, |__traced_error| match __traced_error {
                        #pattern => #condition,
                        #[allow(unreachable_patterns)]
                        _ => true,
                    });
                    #private::probe(#value).end(#call, __traced_verdict);
                }
            }
        };
        emit!(#records #end)
    }

    /// Whether the value is what the signature says, not what comes out of it.
    fn gives_itself(&self) -> bool {
        matches!(self.shape, Shape::Sync | Shape::Async)
    }

    fn take(&self, taken: &Taken, value: &TokenStream) -> TokenStream {
        let private = self.private();
        let (part, exit) = match taken {
            Taken::Whole(form, span) => {
                let span = ours(*span);
                let method = form.method(span);
                return at(span, &emit!(__traced_call.#method("return", #value);));
            }
            Taken::Of(part, exit) => (part, exit),
        };
        let Exit { pattern, attributes } = &**exit;
        let records = attributes.list.iter().map(|attribute| attribute.record(&emit!(__traced_call)));
        let present = match part {
            Part::Value => emit!(#private::Some(#value)),
            Part::Success(span) => {
                let path = at(ours(*span), &emit!(#private::success));
                emit!(#path(#value))
            }
            Part::Error(span) => {
                let path = at(ours(*span), &emit!(#private::error));
                emit!(#path(#value))
            }
        };
        emit! {
            match #present {
                #private::Some(#pattern) => { #(#records)* }
                #[allow(unreachable_patterns)]
                _ => {}
            }
        }
    }

    /// The parameters, bound as the language binds them, and the user's block behind them.
    ///
    /// A match arm gives back what its expression borrows before the parameters go, as a function's body does.
    fn body(&self, block: &TokenStream) -> TokenStream {
        let bindings = &self.bindings;
        let place = located(block);
        let arm = quote_spanned!(place=> match () { () => #block });
        emit!(#(#bindings)* #arm)
    }

    fn closure(&self, block: &TokenStream) -> TokenStream {
        let body = braced(self.body(block), located(block));
        match &self.value {
            Value::Written(ty) => emit!(move || -> #ty #body),
            Value::Unit => emit!(move || -> () #body),
            Value::Never => emit!(move || -> ! #body),
            Value::Opaque | Value::Output(_) | Value::Inferred => emit!(move || #body),
        }
    }

    fn async_block(&self, block: &TokenStream) -> TokenStream {
        let private = self.private();
        let body = self.body(block);
        let ty = match &self.value {
            Value::Never => emit!(#private::Infallible),
            Value::Written(ty) => ty.clone(),
            Value::Unit => emit!(()),
            Value::Opaque | Value::Output(_) | Value::Inferred => return emit!(async move { #body }),
        };
        let typed = self.typed(&ty, &emit!(return));
        emit!(async move { #typed #body })
    }

    /// A block has no place for its type; a way out that is never taken is one.
    fn typed(&self, ty: &TokenStream, leave: &TokenStream) -> TokenStream {
        let private = self.private();
        emit! {
            if let #private::Some(__traced_value) = #private::None::<#ty> {
                #leave __traced_value;
            }
        }
    }

    /// The body as a block of the function's own frame.
    fn body_in_frame(&self, block: TokenStream) -> TokenStream {
        let label = track::label();
        let block = match block.clone().into_iter().next() {
            Some(TokenTree::Group(group)) => match track::exits_to(&label, &group.stream(), &self.krate) {
                Some(statements) => braced(statements, group.span()),
                None => block,
            },
            _ => block,
        };
        let body = self.body(&block);
        let typed = match &self.value {
            Value::Written(ty) => self.typed(ty, &emit!(break #label)),
            Value::Unit => self.typed(&emit!(()), &emit!(break #label)),
            _ => TokenStream::new(),
        };
        emit!(#label: { #typed #body })
    }

    /// The future or stream that the body makes.
    fn made(&self, block: TokenStream) -> TokenStream {
        if self.home == Home::Frame {
            return self.body_in_frame(block);
        }
        let private = self.private();
        let body = self.closure(&block);
        if let Value::Output(ty) = &self.value {
            emit!(#private::made_future::<#ty, _>(#body))
        } else {
            emit!(#private::made(#body))
        }
    }

    fn hand_over(
        &self,
        held: Held,
        made: &TokenStream,
        function: &str,
        boxed: &str,
        outcome: &TokenStream,
    ) -> TokenStream {
        let private = self.private();
        let hand = match held {
            Held::ByValue => {
                let function = Ident::new(function, Span::mixed_site());
                emit!(#private::#function(__traced_call, __traced_site, __traced_body, #outcome))
            }
            Held::Boxed => {
                let boxed = Ident::new(boxed, Span::mixed_site());
                let span = match &self.function.sig.output {
                    syn::ReturnType::Type(_, ty) => located(ty),
                    syn::ReturnType::Default => Span::mixed_site(),
                };
                quote_spanned!(span=> #private::#boxed::carry(__traced_body, __traced_call, __traced_site, #outcome))
            }
        };
        emit! {
            let __traced_body = #made;
            #hand
        }
    }
}

fn braced(statements: TokenStream, span: Span) -> TokenStream {
    let mut group = Group::new(Delimiter::Brace, statements);
    group.set_span(span);
    TokenTree::Group(group).into()
}

/// The tokens at another place, where a fault of theirs is to be shown; the hygiene of each stays.
fn at(place: Span, tokens: &TokenStream) -> TokenStream {
    let at = |token| match token {
        TokenTree::Group(group) => {
            let mut copy = Group::new(group.delimiter(), at(place, &group.stream()));
            copy.set_span(group.span().located_at(place));
            TokenTree::Group(copy)
        }
        mut token => {
            token.set_span(token.span().located_at(place));
            token
        }
    };
    tokens.clone().into_iter().map(at).collect()
}

/// Our hygiene at the place of some tokens of the user's.
fn located(tokens: &impl ToTokens) -> Span {
    ours(syn::spanned::Spanned::span(tokens))
}

impl Site {
    /// A reference to the call site's static, which nothing else can name.
    pub(crate) fn tokens(&self, private: &TokenStream) -> TokenStream {
        let Self { name, kind, scope: (scope, version), place, is_leaf } = self;
        let new = if *is_leaf { emit!(leaf) } else { emit!(new) };
        let (file, line) = position(*place);
        emit! {{
            static SITE: #private::Callsite = #private::Callsite::#new(
                #name,
                #private::SpanKind::#kind,
                #line,
                &#private::Origin {
                    scope: #scope,
                    version: #version,
                    module: #private::module_path!(),
                    file: #file,
                },
            );
            &SITE
        }}
    }
}

/// File and line of a place; outside of the compiler there are none.
fn position(span: Span) -> (String, u32) {
    if !proc_macro::is_available() {
        return ("src/lib.rs".to_owned(), 1);
    }
    let span = span.unwrap();
    (span.file(), u32::try_from(span.line()).unwrap_or(u32::MAX))
}

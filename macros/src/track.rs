//! Bodies that must stay in their function's frame, and expressions that must not leave it.
//!
//! A closure is no `#[track_caller]`, so the body of such a function becomes a labelled block in which every
//! `return` and `?` that can be seen leaves the block instead. One that a macro hides still leaves the
//! function: the span ends there all the same, and only the outcome of that return goes unseen.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Lifetime};

use crate::model::ours;

/// The body with its exits turned to `label`; `None` if it does not parse, which the compiler will report.
pub(crate) fn exits_to(label: &Lifetime, body: &TokenStream, krate: &TokenStream) -> Option<TokenStream> {
    let mut block: Block = syn::parse2(emit!({ #body })).ok()?;
    Exits { label, krate }.visit_block_mut(&mut block);
    let statements = block.stmts;
    Some(emit!(#(#statements)*))
}

struct Exits<'a> {
    label: &'a Lifetime,
    krate: &'a TokenStream,
}

impl VisitMut for Exits<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if has_own_exits(expr) {
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
        let (label, krate) = (self.label, self.krate);
        match expr {
            Expr::Return(leave) => {
                let span = ours(leave.return_token.span);
                let value = leave.expr.take().map_or_else(|| emit!(()), ToTokens::into_token_stream);
                *expr = Expr::Verbatim(quote_spanned!(span=> break #label #value));
            }
            Expr::Try(attempt) => {
                let span = ours(attempt.question_token.spans[0]);
                let value = &attempt.expr;
                let private = emit!(#krate::__private);
                *expr = Expr::Verbatim(quote_spanned!(span=>
                    (match #private::Attempt::branch(#value) {
                        #private::ControlFlow::Continue(value) => value,
                        #private::ControlFlow::Break(residual) => break #label #private::Residual::from_residual(residual),
                    })
                ));
            }
            _ => {}
        }
    }

    // Functions inside the body have returns of their own.
    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

/// Closures, `async` and `const` blocks: what leaves them does not leave the function.
fn has_own_exits(expr: &Expr) -> bool {
    matches!(expr, Expr::Closure(_) | Expr::Async(_) | Expr::Const(_))
}

/// The first `return`, `?`, `.await`, `break` or `continue` by which an expression would leave its function.
pub(crate) fn first_exit(expr: &Expr) -> Option<TokenStream> {
    // Names and field chains, which most captured expressions are, lead nowhere.
    let mut chain = expr;
    while let Expr::Field(field) = chain {
        chain = &field.base;
    }
    if matches!(chain, Expr::Path(_) | Expr::Lit(_)) {
        return None;
    }
    let mut finder = Finder(None);
    finder.visit_expr_mut(&mut expr.clone());
    finder.0
}

struct Finder(Option<TokenStream>);

impl VisitMut for Finder {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if self.0.is_some() || has_own_exits(expr) {
            return;
        }
        self.0 = match expr {
            Expr::Return(leave) => Some(leave.return_token.to_token_stream()),
            Expr::Try(attempt) => Some(attempt.question_token.to_token_stream()),
            Expr::Await(wait) => Some(wait.await_token.to_token_stream()),
            // Inside a loop these may be meant for it; the compiler judges those.
            Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_) => return,
            Expr::Break(leave) => Some(leave.break_token.to_token_stream()),
            Expr::Continue(next) => Some(next.continue_token.to_token_stream()),
            _ => None,
        };
        if self.0.is_none() {
            visit_mut::visit_expr_mut(self, expr);
        }
    }

    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

/// The label of the block.
pub(crate) fn label() -> Lifetime {
    Lifetime::new("'__traced", Span::mixed_site())
}

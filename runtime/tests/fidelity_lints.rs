//! Lints are neither provoked nor silenced.
//!
//! The `#[expect]`s are the proof that a lint still fires.
#![deny(
    warnings,
    unfulfilled_lint_expectations,
    unreachable_code,
    unused,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unused_async,
    clippy::missing_const_for_fn,
    clippy::missing_panics_doc
)]

use traced::testing::capture;
use traced::traced;

// Once a fault: the value that a diverging body never gives is called unreachable.
#[allow(dead_code)]
mod bodies_that_diverge {
    use super::*;
    #[traced]
    pub fn ends_in_a_panic(n: u8) -> u8 {
        if n == 1 {
            return 2;
        }
        panic!("x")
    }
    #[traced]
    pub async fn ends_in_a_panic_async(n: u8) -> u8 {
        if n == 1 {
            return 2;
        }
        panic!("x")
    }
    #[traced]
    pub fn bails() -> anyhow::Result<()> {
        anyhow::bail!("x")
    }
    #[traced]
    pub fn not_yet() -> u8 {
        todo!()
    }
    #[traced]
    pub async fn forever() {
        loop {
            std::future::ready(()).await;
        }
    }
    #[traced]
    pub async fn never() -> ! {
        loop {
            std::future::ready(()).await;
        }
    }
    #[traced]
    #[track_caller]
    pub fn tracked(n: u8) -> u8 {
        if n == 1 {
            return 2;
        }
        panic!("x")
    }
    #[test]
    fn they_are_quiet() {
        assert_eq!(capture(|| (ends_in_a_panic(1), tracked(1))).1.to_string(), "ends_in_a_panic\ntracked\n");
    }
}

// Once a fault: `let _n = _n;` binds and uses what begins with an underscore, at the user's place.
#[allow(dead_code)]
mod underscored_parameters {
    use super::*;
    #[traced]
    pub fn sync(_n: u8) {}
    #[traced]
    pub async fn asynchronous(_n: u8, (_a, _): (u8, u8)) {}
    #[test]
    fn they_are_quiet() {
        assert_eq!(capture(|| sync(1)).1.to_string(), "sync\n");
    }
}

// Once a fault: the lint attributes of a parameter leave the signature, where the parameter's name still stands.
#[allow(dead_code)]
mod allowed_names {
    use super::*;
    #[traced]
    pub fn allowed(#[allow(non_snake_case)] badName: u8) -> u8 {
        badName
    }
    #[test]
    fn they_are_quiet() {
        assert_eq!(capture(|| allowed(1)).1.to_string(), "allowed\n");
    }
}

// Once a fault: the item's span ends with the macro's braces, so lints on whole items think it foreign.
mod lints_on_items {
    use super::*;
    #[expect(dead_code)]
    #[traced]
    fn unused() {}
}

#[expect(unused_variables)]
#[traced]
fn unused_parameter(n: u8, (a, b): (u8, u8)) {}

#[expect(unused_variables)]
#[traced]
async fn unused_parameter_async(n: u8, _: u8) {}

#[expect(unused_mut)]
#[traced]
fn unused_mut(mut n: u8) -> u8 {
    n
}

#[expect(unused_mut)]
#[traced]
async fn unused_mut_async(mut n: u8) -> u8 {
    n
}

#[expect(unused_assignments, unused_variables)]
#[traced]
fn dead_assignment(mut n: u8) {
    n = 3;
}

#[expect(unused_must_use, clippy::no_effect)]
#[traced]
fn ignored_result() {
    Ok::<u8, u8>(1);
}

#[expect(unused_must_use)]
#[traced]
async fn ignored_future() {
    unused_mut_async(1);
}

#[expect(unreachable_code)]
#[allow(clippy::needless_return, clippy::diverging_sub_expression)]
#[traced]
fn unreachable(n: u8) -> u8 {
    return n;
    n + 1
}

#[expect(unused_parens)]
#[traced]
fn parentheses(n: u8) -> u8 {
    let m = (n);
    m + 1
}

#[traced]
fn on_a_parameter(#[expect(unused_variables)] n: u8, #[allow(unused_variables)] m: u8) {}

#[traced]
fn one_expression(n: u8) -> u8 {
    n + 1
}

#[test]
fn lints_fire_in_bodies_as_before() {
    let ((), trace) = capture(|| {
        unused_parameter(1, (2, 3));
        drop((unused_parameter_async(1, 2), unused_mut_async(1), ignored_future()));
        unused_mut(1);
        dead_assignment(1);
        ignored_result();
        unreachable(1);
        parentheses(1);
        on_a_parameter(1, 2);
        one_expression(1);
    });
    assert_eq!(
        trace.to_string(),
        "unused_parameter\nunused_mut\ndead_assignment\nignored_result\nunreachable\nparentheses\non_a_parameter\none_expression\n"
    );
}

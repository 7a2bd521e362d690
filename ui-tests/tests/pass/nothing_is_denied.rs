//! What rustc and clippy say of a sound function, they do not say because it is traced.
#![deny(warnings, unused, clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    let_underscore_drop,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    unused_lifetimes,
    unused_import_braces,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    variant_size_differences,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    non_ascii_idents,
    redundant_lifetimes,
    unit_bindings,
    unsafe_op_in_unsafe_fn,
    tail_expr_drop_order,
    if_let_rescope,
    rust_2024_compatibility,
    keyword_idents
)]

use std::future::Future;
use std::pin::Pin;

use traced::traced;

/// A shop.
#[derive(Debug)]
pub struct Shop {
    orders: Vec<u64>,
}

#[traced]
impl Shop {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there are none.
    #[must_use]
    #[traced(ret, when = self.orders.capacity() > 0)]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Adds one.
    #[traced(attr(order, orders.before = self.orders.len()))]
    pub async fn add(&mut self, order: u64) {
        std::future::ready(()).await;
        self.orders.push(order);
    }

    /// Takes the last one.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[traced(ok(order => order.id = *order), err(e => message = %e), error_if(e => e.len() > 30))]
    pub async fn take(&mut self) -> Result<u64, String> {
        if self.orders.len() > 100 {
            return Err("too many".to_owned());
        }
        self.orders.pop().ok_or_else(|| "no orders".to_owned())
    }

    /// Gives them all away.
    #[must_use]
    pub fn into_orders(self) -> Vec<u64> {
        self.orders
    }
}

/// Leaves early.
#[traced]
pub fn early(deep: bool) {
    if deep {
        return;
    }
    eprintln!("deep");
}

/// One expression.
#[traced]
#[must_use]
pub fn one() -> u64 {
    1
}

/// A future.
#[traced(attr(%text))]
pub fn later<'a>(text: &'a str) -> impl Future<Output = usize> + use<'a> {
    async move { text.len() }
}

/// A boxed future.
#[traced]
#[must_use]
pub fn boxed(text: &str) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
    Box::pin(async move { text.len() })
}

/// With a track of its caller.
#[traced]
#[track_caller]
#[must_use]
pub fn tracked(text: &str) -> Option<u64> {
    let first = text.chars().next()?;
    if first == '0' {
        return None;
    }
    Some(u64::from(first))
}

/// The parameter is not used, and says so.
#[traced]
pub fn unused(_deep: bool, _: &str, (_, b): (u64, u64)) -> u64 {
    b
}

fn main() {
    let mut shop = Shop { orders: Vec::with_capacity(1) };
    futures_executor::block_on(async {
        shop.add(1).await;
        drop(shop.take().await);
        assert_eq!(later("a").await, 1);
        assert_eq!(boxed("a").await, 1);
    });
    early(true);
    drop((one(), shop.len(), shop.is_empty(), shop.into_orders(), tracked("a"), unused(true, "", (1, 2))));
    let span = traced::span!("step", id = 1);
    span.run(|| traced::event!("done", id = 2));
    traced::set!(id = 3);
}

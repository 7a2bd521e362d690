//! Coming from `tracing`: the same functions before and after.
//!
//! `cargo run --example from_tracing` prints the trace of the second. What changes on the way:
//!
//! * nothing is captured until it is named, so `skip` and `skip_all` go;
//! * `fields(n = %x)` becomes `attr(n = %x)`, and plain values keep their type;
//! * `err` goes: an `Err` marks the span by itself, whatever its type;
//! * `.instrument(span)` becomes `.wrap(future)` of a span, or `#[traced]` on what makes the future;
//! * `info!(…)` for a milestone becomes `event!`; `span.record` becomes `set!`, without declaring the field first.

mod before {
    #[tracing::instrument(skip_all, fields(user.id = id, basket = %basket), err)]
    pub(crate) async fn checkout(id: u64, basket: &str, card: &str) -> Result<u32, String> {
        tracing::info!(cents = 4200, "priced");
        if card.is_empty() { Err("no card".to_owned()) } else { Ok(4200) }
    }
}

mod after {
    #[traced::traced(attr(user.id = id, %basket))]
    pub(crate) async fn checkout(id: u64, basket: &str, card: &str) -> Result<u32, String> {
        traced::event!("priced", cents = 4200);
        if card.is_empty() { Err("no card".to_owned()) } else { Ok(4200) }
    }
}

#[tokio::main]
async fn main() -> Result<(), traced::SetupError> {
    let _tracing = traced::init("checkout")?;
    for card in ["4111", ""] {
        let before = before::checkout(7, "tea", card).await;
        let after = after::checkout(7, "tea", card).await;
        assert_eq!(before, after);
    }
    Ok(())
}

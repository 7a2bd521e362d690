//! `traced` as seen by those who get it from a crate of their own.
#![deny(warnings)]

mod telemetry {
    pub use traced as tracing;
    pub mod deep {
        pub use traced::{event, set, span, traced};
    }
}

use telemetry::deep::traced as instrument;

#[instrument(crate = crate::telemetry::tracing, attr(id), ok(n => n = *n), error_if(e => e.is_empty()))]
fn load(id: u64) -> Result<u64, String> {
    telemetry::deep::event!("loaded", id);
    telemetry::deep::set!(id);
    telemetry::deep::span!("inner", id).run(|| Ok(id))
}

#[instrument(crate = telemetry::tracing)]
async fn store() -> u64 {
    std::future::ready(()).await;
    std::thread::spawn(|| 1).join().unwrap_or(0)
}

struct Store;

#[instrument(crate = telemetry::tracing)]
impl Store {
    fn load(&self) {}

    // In a traced `impl` the attribute is found by its own name.
    #[telemetry::deep::traced(skip)]
    fn store(&self) {}
}

macro_rules! by_a_macro {
    ($name:ident) => {
        #[$crate::telemetry::tracing::traced(crate = $crate::telemetry::tracing)]
        fn $name(_: u64, text: String) -> Result<usize, String> {
            Ok(text.len())
        }
    };
}

by_a_macro!(made);

fn main() {
    load(1).unwrap();
    made(1, String::new()).unwrap();
    futures_executor::block_on(store());
    Store.load();
    Store.store();
}

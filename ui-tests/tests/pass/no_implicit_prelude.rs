#![no_implicit_prelude]

use ::traced::traced;

#[traced(
    attr(id, %text, ?items, twice = id * 2),
    ret(?),
    ok(n => n = *n),
    err(e => e = %e),
    error_if(e => !e.is_empty()),
    when = id > 0,
    timing
)]
async fn load(
    id: u64,
    text: &str,
    items: &[u8],
) -> ::std::result::Result<u64, ::std::string::String> {
    let _ = (text, items);
    ::std::result::Result::Ok(id)
}

#[traced(root(link))]
fn store((a, _): (u64, ::std::string::String), _: u64) -> u64 {
    ::traced::event!("stored", a, b = ?a);
    ::traced::set!(a, b = %a);
    ::traced::span!("inner", a).run(|| a)
}

#[traced]
fn later() -> impl ::std::future::Future<Output = u64> {
    async { 1 }
}

#[traced]
fn boxed() -> ::std::pin::Pin<::std::boxed::Box<dyn ::std::future::Future<Output = u64>>> {
    ::std::boxed::Box::pin(async { 1 })
}

#[traced]
#[track_caller]
fn tracked(text: &str) -> ::std::result::Result<u64, ::std::num::ParseIntError> {
    let id = text.parse::<u64>()?;
    ::std::result::Result::Ok(id)
}

#[traced]
fn exit() -> ! {
    ::std::process::exit(0)
}

#[traced]
async fn forever() -> ! {
    loop {
        ::std::future::pending::<()>().await;
    }
}

struct Store;

#[traced]
impl Store {
    fn load(self) {}
    async fn wait(&self) {}
}

fn main() {
    ::futures_executor::block_on(async {
        let _ = load(1, "a", &[]).await;
        let _ = later().await;
        let _ = boxed().await;
        Store.wait().await;
    });
    store((1, ::std::string::String::new()), 2);
    let _ = tracked("1");
    Store.load();
    let _ = forever;
    exit()
}

//! Names that generated code might lean on mean something else here.
#![allow(dead_code, non_camel_case_types, unused_macros, unused_imports)]

mod std {}
mod core {}
mod alloc {}
mod opentelemetry {}
mod opentelemetry_sdk {}
mod traced_macros {}
mod __private {}

struct Ok;
struct Err;
struct Some;
struct None;
enum Result {}
enum Option {}
struct Box;
struct Vec;
struct Pin;
struct Poll;
struct Context;
struct Call;
struct Callsite;
struct Span;
struct Key;
struct Value;
struct SITE;
trait Send {}
trait Sync {}
trait Fn {}
trait FnOnce {}
trait Future {}
trait Iterator {}
trait Drop {}
trait Into {}
trait From {}
trait Default {}
trait Clone {}
trait Display {}
trait Debug {}
trait Deref {}
type String = u8;
type str = u8;
type u8 = ();
type bool = ();
type usize = ();
type u32 = ();
type i64 = ();
type f64 = ();

macro_rules! panic { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! format { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! format_args { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! vec { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! matches { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! assert { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! concat { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! stringify { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! module_path { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! file { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! line { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! env { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! span { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! event { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! set { ($($tokens:tt)*) => { compile_error!("shadowed") }; }
macro_rules! pin { ($($tokens:tt)*) => { compile_error!("shadowed") }; }

fn drop() {}
fn display() {}
fn debug() {}
fn attribute() {}
fn probe() {}

#[::traced::traced(
    attr(id, %text, shown = ?text, twice = id * 2),
    ret(?),
    ok(n => n = *n),
    err(e => e = %e),
    error_if(e => e.is_empty()),
    when = id > 0,
    timing
)]
async fn load(id: u64, text: &::std::primitive::str) -> ::std::result::Result<u64, ::std::string::String> {
    let _ = text;
    ::std::result::Result::Ok(id)
}

#[::traced::traced(root(link))]
fn store((a, _): (u64, ::std::string::String), _: u64) -> u64 {
    ::traced::event!("stored", a, b = ?a);
    ::traced::set!(a, b = %a);
    ::traced::span!("inner", a).run(|| a)
}

#[::traced::traced]
fn later() -> impl ::std::future::Future<Output = u64> {
    async { 1 }
}

#[::traced::traced]
fn boxed() -> ::std::pin::Pin<::std::boxed::Box<dyn ::std::future::Future<Output = u64>>> {
    ::std::boxed::Box::pin(async { 1 })
}

#[::traced::traced]
#[track_caller]
fn tracked(text: &::std::primitive::str) -> ::std::result::Result<u64, ::std::num::ParseIntError> {
    let id = text.parse::<u64>()?;
    ::std::result::Result::Ok(id)
}

#[::traced::traced]
async fn forever() -> ! {
    loop {
        ::std::future::pending::<()>().await;
    }
}

struct Store;

#[::traced::traced]
impl Store {
    fn load(self) {}
    async fn wait(&self) {}
}

fn main() {
    ::futures_executor::block_on(async {
        let _ = load(1, "a").await;
        let _ = later().await;
        let _ = boxed().await;
        Store.wait().await;
    });
    store((1, ::std::string::String::new()), 2);
    let _ = tracked("1");
    Store.load();
    let _ = forever;
}

//! Traced functions of edition 2021, whose temporaries live longer and whose `impl Trait` captures less, beside the
//! same functions untraced.
#![deny(unused)]
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "written for what they do, not for how they look"
)]

use std::cell::RefCell;
use std::future::Future;

use traced::traced;

thread_local! {
    static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

pub struct Noisy(pub &'static str);

impl Noisy {
    fn size(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.push(self.0));
    }
}

pub fn dropped<T>(by: impl FnOnce() -> T) -> Vec<&'static str> {
    by();
    DROPPED.take()
}

macro_rules! twice {
    ($plain:ident, $traced:ident: $($async:ident)? ($($parameters:tt)*) -> $return:ty { $($body:tt)* }) => {
        pub $($async)? fn $plain($($parameters)*) -> $return { $($body)* }
        #[traced]
        pub $($async)? fn $traced($($parameters)*) -> $return { $($body)* }
    };
}

twice!(tail, tail_traced: (_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    Noisy("temporary").size()
});

twice!(tail_async, tail_async_traced: async (_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    Noisy("temporary").size()
});

twice!(conditional, conditional_traced: (_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    if let 1 = Noisy("scrutinee").size() { 1 } else { Noisy("else").size() }
});

twice!(matched, matched_traced: (_: Noisy, (_a, _): (Noisy, Noisy), _b: Noisy) -> usize {
    let _local = Noisy("local");
    let size = _local.size();
    size
});

pub fn written(_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    Noisy("temporary").size()
}

#[traced]
pub fn written_traced(_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    Noisy("temporary").size()
}

pub async fn written_async(_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    if let 1 = Noisy("scrutinee").size() {
        1
    } else {
        Noisy("else").size()
    }
}

#[traced]
pub async fn written_async_traced(_parameter: Noisy) -> usize {
    let _local = Noisy("local");
    if let 1 = Noisy("scrutinee").size() {
        1
    } else {
        Noisy("else").size()
    }
}

// Captures nothing of `text` in this edition.
#[traced]
pub fn length(text: &str) -> impl Future<Output = usize> {
    let length = text.len();
    async move { length }
}

#[traced]
pub fn words<'a>(text: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    text.split(' ')
}

#[traced(attr(gen, r#try = gen + 1))]
pub fn keywords(gen: u64) -> u64 {
    gen
}

#[traced(attr(id))]
pub async fn plain(id: u64) -> Result<u64, String> {
    Ok(id)
}

pub struct Store;

#[traced]
impl Store {
    pub async fn load(&self) -> u64 {
        1
    }
}

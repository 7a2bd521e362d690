//! What borrows, moves and drops without the attribute does so with it.
#![deny(warnings)]

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use traced::traced;

struct Store {
    items: RefCell<Vec<String>>,
    names: Mutex<Vec<String>>,
    other: String,
}

#[traced]
impl Store {
    // A temporary of the last expression borrows from `self`.
    fn len(&self) -> usize {
        self.items.borrow().len()
    }

    fn taken(self) -> usize {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn parts(&mut self) -> (&mut String, &mut RefCell<Vec<String>>) {
        (&mut self.other, &mut self.items)
    }

    // Moves one field out and drops the others.
    #[traced(attr(self.other))]
    fn other(self) -> String {
        self.other
    }

    async fn first<'a>(&'a self, or: &'a str) -> &'a str {
        if self.other.is_empty() { or } else { &self.other }
    }

    fn push(&mut self, item: String) -> &mut Self {
        self.items.get_mut().push(item);
        self
    }
}

#[traced(attr(%text, size = text.len()))]
fn moved(text: String) -> String {
    text
}

#[traced(attr(items.len = items.len()))]
fn grown<'a>(items: &'a mut Vec<u64>, by: &u64) -> &'a mut u64 {
    items.push(*by);
    let last = items.len() - 1;
    &mut items[last]
}

#[traced]
fn local_guard(of: &Mutex<u64>) -> u64 {
    let guard = of.lock().unwrap_or_else(PoisonError::into_inner);
    *guard
}

#[traced(when = !text.is_empty())]
async fn moved_async(text: String, mut items: Vec<u64>) -> (String, Vec<u64>) {
    items.push(1);
    (text, items)
}

#[traced]
fn reborrowed(of: &mut u64) -> &mut u64 {
    if *of > 1 {
        return of;
    }
    *of += 1;
    of
}

fn main() {
    let mut store = Store { items: RefCell::default(), names: Mutex::default(), other: "a".to_owned() };
    store.push("b".to_owned()).push("c".to_owned());
    assert_eq!(store.len(), 2);
    store.parts().0.push('d');
    assert_eq!(futures_executor::block_on(store.first("")), "ad");
    assert_eq!(store.other(), "ad");
    let store = Store { items: RefCell::default(), names: Mutex::default(), other: String::new() };
    assert_eq!(store.taken(), 0);
    assert_eq!(moved("a".to_owned()), "a");
    *grown(&mut vec![1], &2) += 1;
    assert_eq!(local_guard(&Mutex::new(1)), 1);
    assert_eq!(futures_executor::block_on(moved_async("a".to_owned(), vec![])).1, [1]);
    assert_eq!(*reborrowed(&mut 1), 2);
}

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use traced::traced;

// Captured, and not `Sync`: nothing of it is held across the await.
#[traced(attr(id = id.get(), ?text), ok(n => n = *n), err(e => e = %e), timing)]
async fn load(id: Cell<u64>, text: &str) -> Result<u64, String> {
    let kept = id.get();
    drop(id);
    std::future::ready(()).await;
    let _ = text;
    Ok(kept)
}

// A value made in an argument is gone before the await.
#[traced(attr(shared = *Rc::new(1)), when = Rc::new(true).as_ref() == &true)]
async fn with_rc() {
    std::future::ready(()).await;
    traced::event!("woken", shared = *Rc::new(1));
    traced::set!(shared = *Rc::new(2));
    std::future::ready(()).await;
}

#[traced]
async fn not_send(id: Rc<u64>) -> Rc<u64> {
    std::future::ready(()).await;
    id
}

#[traced]
fn later(text: String) -> impl Future<Output = usize> + Send + Sync + 'static {
    async move { text.len() }
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

fn is_static<F: Future + Send + 'static>(future: F) -> F {
    future
}

fn main() {
    futures_executor::block_on(async {
        is_send(load(Cell::new(1), "a")).await.unwrap();
        is_static(with_rc()).await;
        not_send(Rc::new(1)).await;
        is_static(later(String::new())).await;
    });
}

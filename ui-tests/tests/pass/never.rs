use std::convert::Infallible;

use traced::traced;

#[traced]
pub fn exit() -> ! {
    std::process::exit(0)
}

#[traced(attr(code))]
pub fn exit_with(code: i32) -> ! {
    if code > 1 {
        panic!("{code}");
    }
    loop {
        exit();
    }
}

#[traced]
pub async fn forever() -> ! {
    loop {
        std::future::pending::<()>().await;
    }
}

#[traced]
pub async fn panics(text: &str) -> ! {
    panic!("{text}")
}

#[traced]
#[track_caller]
pub fn fail(text: &str) -> ! {
    panic!("{text}")
}

#[traced]
pub fn boxed() -> std::pin::Pin<Box<dyn Future<Output = Infallible>>> {
    Box::pin(async { std::future::pending().await })
}

struct Store;

#[traced]
impl Store {
    fn give_up(&self) -> ! {
        exit_with(0)
    }
}

fn main() {
    Store.give_up()
}

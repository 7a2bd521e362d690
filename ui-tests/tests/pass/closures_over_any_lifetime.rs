use traced::traced;

#[traced]
fn map<F>(of: &str, f: F) -> usize
where
    F: for<'a> Fn(&'a str) -> &'a str,
{
    f(of).len()
}

#[traced]
fn map_impl(of: &str, mut f: impl FnMut(&str) -> &str, once: impl for<'a> FnOnce(&'a str) -> usize) -> usize {
    once(f(of))
}

#[traced]
async fn map_async<F>(of: &str, f: F) -> usize
where
    F: AsyncFn(&str) -> usize,
{
    f(of).await
}

#[traced]
fn map_dyn(of: &str, f: &dyn for<'a> Fn(&'a str) -> &'a str, boxed: Box<dyn FnOnce(&str) -> usize + '_>) -> usize {
    boxed(f(of))
}

#[traced]
fn map_pointer(of: &str, f: for<'a> fn(&'a str) -> &'a str) -> &str {
    f(of)
}

fn id(text: &str) -> &str {
    text
}

fn main() {
    assert_eq!(map("a", id), 1);
    assert_eq!(map_impl("a", |text| id(text), str::len), 1);
    assert_eq!(futures_executor::block_on(map_async("a", async |text: &str| text.len())), 1);
    assert_eq!(map_dyn("a", &id, Box::new(str::len)), 1);
    assert_eq!(map_pointer("a", id), "a");
}

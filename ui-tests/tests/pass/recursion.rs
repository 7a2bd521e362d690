use std::future::Future;
use std::pin::Pin;

use futures_util::future::BoxFuture;
use traced::testing::capture;
use traced::traced;

#[traced(attr(n))]
fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * factorial(n - 1) }
}

#[traced(attr(n))]
async fn sum(n: u64) -> u64 {
    if n == 0 { 0 } else { n + Box::pin(sum(n - 1)).await }
}

#[traced]
fn boxed(n: u64) -> BoxFuture<'static, u64> {
    Box::pin(async move { if n == 0 { 0 } else { n + boxed(n - 1).await } })
}

#[traced]
fn even(n: u64) -> Pin<Box<dyn Future<Output = bool> + Send>> {
    Box::pin(async move { n == 0 || odd(n - 1).await })
}

#[traced]
async fn odd(n: u64) -> bool {
    n != 0 && even(n - 1).await
}

struct Tree(Vec<Tree>);

#[traced]
impl Tree {
    fn size(&self) -> usize {
        1 + self.0.iter().map(Self::size).sum::<usize>()
    }

    async fn depth(&self) -> usize {
        let mut depth = 0;
        for tree in &self.0 {
            depth = depth.max(Box::pin(tree.depth()).await);
        }
        depth + 1
    }
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

fn main() {
    let (_, trace) = capture(|| {
        assert_eq!(factorial(3), 6);
        assert_eq!(futures_executor::block_on(is_send(sum(3))), 6);
        assert_eq!(futures_executor::block_on(boxed(3)), 6);
        assert!(futures_executor::block_on(even(2)));
        assert_eq!(Tree(vec![Tree(vec![])]).size(), 2);
        assert_eq!(futures_executor::block_on(Tree(vec![Tree(vec![])]).depth()), 2);
    });
    assert_eq!(trace.roots(), ["factorial", "sum", "boxed", "even", "Tree::size", "Tree::depth"]);
}

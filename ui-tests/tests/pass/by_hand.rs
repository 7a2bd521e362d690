#![deny(warnings)]

use traced::testing::capture;

struct Order {
    id: u64,
    text: String,
}

impl Order {
    fn check(&self) {
        traced::set!(self.id, self.text, text.shown = ?self.text);
    }
}

async fn load(id: u64) -> u64 {
    let span = traced::span!("load", id, text = %id, "a b" = ?id,);
    span.wrap(async move { id }).await
}

fn main() {
    let (_, trace) = capture(|| {
        let order = Order { id: 1, text: "a".to_owned() };
        traced::span!("outer").run(|| {
            let _span = traced::span! { "inner", order.id };
            let _entered = traced::span!["entered",].enter();
            traced::event!("a");
            traced::event!("b",);
            traced::event!("c", order.id, order.text, some = Some(1), none = None::<u64>);
            traced::set!(order.id);
            futures_executor::block_on(load(1));
            if order.id > 0 { traced::event!("in a block") } else { traced::set!(a = 1) }
            match order.id {
                0 => traced::set!(zero = true),
                _ => traced::event!("many", order.id),
            }
        });
        order.check();
    });
    assert_eq!(trace.roots(), ["outer"]);
}

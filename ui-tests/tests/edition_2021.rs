//! Functions of a crate in edition 2021 are traced, and stay what they are there.

use edition_2021::*;
use traced::testing::capture;

/// The parameters of a call, by the name each is dropped under.
fn parameter() -> Noisy {
    Noisy("parameter")
}

fn block_on(future: impl Future<Output = usize>) -> usize {
    futures_executor::block_on(future)
}

#[test]
fn parameters_are_dropped_in_their_order() {
    let of = |call: fn(Noisy, (Noisy, Noisy), Noisy) -> usize| {
        dropped(|| call(Noisy("first"), (Noisy("second"), Noisy("third")), Noisy("fourth")))
    };
    assert_eq!(of(matched_traced), of(matched));
}

#[test]
fn temporaries_of_the_last_expression_outlive_the_locals() {
    assert_eq!(dropped(|| written_traced(parameter())), dropped(|| written(parameter())));
    assert_eq!(dropped(|| tail_traced(parameter())), dropped(|| tail(parameter())));
    assert_eq!(dropped(|| conditional_traced(parameter())), dropped(|| conditional(parameter())));
}

#[test]
fn temporaries_of_the_last_expression_outlive_the_locals_of_a_future() {
    assert_eq!(
        dropped(|| block_on(written_async_traced(parameter()))),
        dropped(|| block_on(written_async(parameter())))
    );
    assert_eq!(
        dropped(|| block_on(tail_async_traced(parameter()))),
        dropped(|| block_on(tail_async(parameter())))
    );
}

#[test]
fn the_shapes_of_this_edition_are_traced() {
    let (sum, trace) = capture(|| {
        let length = {
            let text = "a b".to_owned();
            length(&text)
        };
        futures_executor::block_on(async {
            length.await
                + words("a b").count()
                + usize::try_from(plain(1).await.unwrap() + Store.load().await).unwrap()
        })
    });
    assert_eq!(sum, 3 + 2 + 2);
    assert_eq!(trace.roots(), ["length", "words", "plain", "Store::load"]);
}

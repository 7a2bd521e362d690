use traced::testing::capture;

macro_rules! traced_function {
    ($(#[$meta:meta])* $vis:vis $name:ident($($parameter:ident: $type:ty),*) -> $return:ty $body:block) => {
        #[traced::traced(attr($($parameter),*))]
        $(#[$meta])*
        $vis fn $name($($parameter: $type),*) -> $return $body
    };
}

traced_function! {
    /// Adds.
    #[inline]
    pub add(a: u64, b: u64) -> u64 { a + b }
}

macro_rules! named {
    ($function:ident, $name:literal, $kind:ident, $key:literal = $value:expr, $crate_path:path) => {
        #[traced::traced(name = $name, kind = $kind, attr($key = $value), when = $value > 0, crate = $crate_path)]
        async fn $function(id: u64) -> Result<u64, String> {
            let doubled = id.checked_mul(2).ok_or_else(|| "too much".to_owned())?;
            Ok(doubled)
        }
    };
}

named!(double, "to double", client, "of" = 1 + 1, ::traced);

// The parameter and the body come from two places.
macro_rules! two_places {
    ($name:ident, $id:ident => $body:expr) => {
        #[traced::traced(attr($id, own = $id + 1))]
        fn $name($id: u64, other: u64) -> u64 {
            let result = other;
            $body + result
        }
    };
}

two_places!(both, result => result * 2);

macro_rules! methods {
    ($type:ident: $($name:ident),*) => {
        #[traced::traced]
        impl $type {
            $(fn $name(&self) -> u64 { self.0 })*
        }
    };
}

struct Store(u64);

methods!(Store: load, store);

macro_rules! event {
    ($name:literal, $value:expr) => {
        traced::event!($name, value = $value);
        traced::set!($name = $value);
    };
}

fn main() {
    let (sum, trace) = capture(|| {
        event!("none", 1);
        let store = Store(1);
        add(1, 2) + both(3, 4) + store.load() + store.store() + futures_executor::block_on(double(5)).unwrap()
    });
    assert_eq!(sum, 3 + 10 + 2 + 10);
    assert_eq!(trace.roots(), ["add", "both", "Store::load", "Store::store", "to double"]);
    assert_eq!(trace.span("both").attribute("result"), 3);
    assert_eq!(trace.span("both").attribute("own"), 4);
}

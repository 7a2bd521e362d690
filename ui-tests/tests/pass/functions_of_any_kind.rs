use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use traced::testing::capture;
use traced::traced;

/// # Safety
///
/// `of` is valid.
#[traced(attr(deep))]
#[deny(unsafe_op_in_unsafe_fn)]
unsafe fn dereference(of: *const u64, deep: bool) -> u64 {
    let _ = deep;
    unsafe { *of }
}

#[traced]
#[allow(unsafe_op_in_unsafe_fn)]
unsafe fn implicitly(of: *const u64) -> u64 {
    *of
}

/// # Safety
///
/// `of` is valid.
#[traced]
async unsafe fn dereference_async(of: *const u64) -> u64 {
    unsafe { *of }
}

#[traced]
pub extern "C" fn called_from_c(id: i32) -> i32 {
    id
}

#[traced]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn called_by_name_from_c(id: i32) -> i32 {
    id
}

#[traced]
pub extern "system" fn of_the_system() {}

#[traced]
#[inline(always)]
#[must_use]
#[cold]
#[doc(hidden)]
pub(crate) fn with_attributes() -> u64 {
    1
}

struct Store(u64);

#[traced]
impl Store {
    fn by_value(self) -> u64 {
        self.0
    }
    fn by_mut_value(mut self) -> u64 {
        self.0 += 1;
        self.0
    }
    fn by_reference(&self) -> u64 {
        self.0
    }
    fn by_mut_reference(&mut self) -> &mut u64 {
        &mut self.0
    }
    fn by_lifetime<'a>(&'a self, _: &str) -> &'a u64 {
        &self.0
    }
    fn by_typed(self: &Self) -> u64 {
        self.0
    }
    fn by_mut_box(mut self: Box<Self>) -> u64 {
        self.0 += 1;
        self.0
    }
    fn by_rc(self: Rc<Self>) -> u64 {
        self.0
    }
    fn by_arc_reference(self: &Arc<Self>) -> u64 {
        self.0
    }
    fn by_pin(self: Pin<&mut Self>) -> u64 {
        self.0
    }
    async fn by_pin_async(mut self: Pin<&mut Self>) -> u64 {
        self.0 += 1;
        self.0
    }
    async fn by_mut_value_async(mut self) -> u64 {
        self.0 += 1;
        self.0
    }
    const fn not_traced() -> u64 {
        1
    }
}

fn main() {
    let (_, trace) = capture(|| {
        let number = 7;
        assert_eq!(unsafe { dereference(&number, true) + implicitly(&number) }, 14);
        assert_eq!(futures_executor::block_on(unsafe { dereference_async(&number) }), 7);
        let function: extern "C" fn(i32) -> i32 = called_from_c;
        assert_eq!(function(1) + unsafe { called_by_name_from_c(1) }, 2);
        of_the_system();
        let mut store = Store(with_attributes());
        *store.by_mut_reference() += 1;
        assert_eq!(store.by_reference() + store.by_lifetime("") + store.by_typed(), 6);
        assert_eq!(Pin::new(&mut store).by_pin(), 2);
        assert_eq!(futures_executor::block_on(Pin::new(&mut store).by_pin_async()), 3);
        assert_eq!(store.by_value(), 3);
        assert_eq!(Store(1).by_mut_value() + Box::new(Store(1)).by_mut_box() + Rc::new(Store(1)).by_rc(), 5);
        assert_eq!(Arc::new(Store(1)).by_arc_reference(), 1);
        assert_eq!(futures_executor::block_on(Store(1).by_mut_value_async()), 2);
        assert_eq!(Store::not_traced(), 1);
    });
    assert_eq!(trace.roots().len(), 19, "{trace}");
}

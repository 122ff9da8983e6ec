//! Atomics. In an exploration each operation is a point where another task may go
//! on, and all are sequentially consistent, whatever ordering is asked for.

use crate::explore;
use std::fmt;
pub use std::sync::atomic::Ordering;

/// As [`std::sync::atomic::fence`].
#[inline]
pub fn fence(order: Ordering) {
    explore::switch_point();
    std::sync::atomic::fence(order);
}

macro_rules! atomic {
    ($($name:ident: $value:ty),*) => {$(
        #[doc = concat!("As [`std::sync::atomic::", stringify!($name), "`], explorable.")]
        #[derive(Default)]
        #[repr(transparent)]
        pub struct $name(std::sync::atomic::$name);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$value> for $name {
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }

        impl $name {
            /// An atomic with this value.
            #[inline]
            pub const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            /// The value; no other task has it.
            #[inline]
            pub fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }

            /// The value, by move.
            #[inline]
            pub const fn into_inner(self) -> $value {
                self.0.into_inner()
            }

            /// Reads.
            #[inline]
            pub fn load(&self, order: Ordering) -> $value {
                explore::switch_point();
                self.0.load(order)
            }

            /// Writes.
            #[inline]
            pub fn store(&self, value: $value, order: Ordering) {
                explore::switch_point();
                self.0.store(value, order);
            }

            /// Writes, and gives what was there.
            #[inline]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                explore::switch_point();
                self.0.swap(value, order)
            }

            /// Writes `new` if `current` is there.
            ///
            /// # Errors
            /// What is there instead.
            #[inline]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                explore::switch_point();
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Writes what `f` makes of what is there, which it gives back.
            ///
            /// # Errors
            /// What is there, of which `f` made nothing.
            #[inline]
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                explore::switch_point();
                self.0.fetch_update(success, failure, f)
            }

            atomic!(@fetch $value; fetch_and fetch_or fetch_xor);
        }
    )*};
    (@fetch $value:ty; $($op:ident)*) => {$(
        #[doc = concat!("The operation of this name, giving what was there before.")]
        #[inline]
        pub fn $op(&self, value: $value, order: Ordering) -> $value {
            explore::switch_point();
            self.0.$op(value, order)
        }
    )*};
    (@arithmetic $($name:ident: $value:ty),*) => {$(
        impl $name {
            atomic!(@fetch $value; fetch_add fetch_sub fetch_max fetch_min);
        }
    )*};
}

atomic!(
    AtomicBool: bool,
    AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize,
    AtomicI32: i32, AtomicI64: i64, AtomicIsize: isize
);
atomic!(@arithmetic
    AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize,
    AtomicI32: i32, AtomicI64: i64, AtomicIsize: isize
);

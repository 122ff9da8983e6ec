//! What expectations and assertions do, and how they say that they failed.
//!
//! Follows `lib/kunit/assert.c`. The macros of `macros.rs` call it.

use core::fmt;
use core::panic::Location;

use lastfd_model::Errno;
use lastfd_sync::Arc;

use crate::test::Test;

/// What follows a check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The test runs on.
    Expectation,
    /// The test is aborted.
    Assertion,
}

/// A message of the test's own, after that of the check.
pub type Message<'a> = Option<fmt::Arguments<'a>>;

/// kunit_fail, and __kunit_abort for an assertion.
#[track_caller]
fn failed(test: &Test, kind: Kind, mut lines: Vec<String>, message: Message<'_>) {
    let place = Location::caller();
    let what = match kind {
        Kind::Expectation => "EXPECTATION",
        Kind::Assertion => "ASSERTION",
    };
    let head = format!("{what} FAILED at {}:{}", place.file(), place.line());
    lines.insert(0, head);
    lines.extend(message.map(|message| message.to_string()));
    test.set_failure();
    test.log(lines.join("\n"));
    if kind == Kind::Assertion {
        test.abort();
    }
}

/// Notes the place (`_KUNIT_SAVE_LOC`).
#[track_caller]
pub fn seen(test: &Test) {
    test.set_last_seen(Location::caller());
}

/// `KUNIT_FAIL` and `KUNIT_FAIL_AND_ABORT`.
#[track_caller]
pub fn fail(test: &Test, kind: Kind, message: fmt::Arguments<'_>) {
    seen(test);
    failed(test, kind, Vec::new(), Some(message));
}

/// `KUNIT_EXPECT_TRUE` and its kin (kunit_unary_assert_format).
#[track_caller]
pub fn unary(
    test: &Test,
    kind: Kind,
    text: &str,
    value: bool,
    expected: bool,
    message: Message<'_>,
) {
    seen(test);
    if value != expected {
        let line = format!("    Expected {text} to be {expected}, but is {value}");
        failed(test, kind, vec![line], message);
    }
}

/// The two sides of a comparison, as the test wrote them.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// The left side.
    pub left: &'a str,
    /// The operator.
    pub operation: &'a str,
    /// The right side.
    pub right: &'a str,
}

impl Texts<'_> {
    fn head(&self) -> String {
        let Texts {
            left,
            operation,
            right,
        } = self;
        format!("    Expected {left} {operation} {right}, but")
    }
}

/// `KUNIT_EXPECT_EQ` and its kin (kunit_binary_assert_format). Values that are
/// numbers are shown in hexadecimal too, literals not again.
#[track_caller]
pub fn binary<L: fmt::Debug, R: fmt::Debug>(
    test: &Test,
    kind: Kind,
    texts: Texts<'_>,
    holds: bool,
    values: (&L, &R),
    message: Message<'_>,
) {
    seen(test);
    if holds {
        return;
    }
    let mut lines = vec![texts.head()];
    let sides = [
        (texts.left, format!("{:?}", values.0)),
        (texts.right, format!("{:?}", values.1)),
    ];
    for (text, value) in sides {
        // is_literal, is_str_literal.
        if text == value {
            continue;
        }
        let line = match value.parse::<i128>() {
            Ok(number) => {
                let bits = if number < 0 {
                    u128::from(number as u64)
                } else {
                    number as u128
                };
                format!("        {text} == {value} (0x{bits:x})")
            }
            Err(_) => format!("        {text} == {value}"),
        };
        lines.push(line);
    }
    failed(test, kind, lines, message);
}

/// Something with an address, for `KUNIT_EXPECT_PTR_EQ`.
pub trait Address {
    /// The address.
    fn address(&self) -> usize;
}

impl<T: ?Sized> Address for *const T {
    fn address(&self) -> usize {
        self.cast::<()>().addr()
    }
}

impl<T: ?Sized> Address for *mut T {
    fn address(&self) -> usize {
        self.cast::<()>().addr()
    }
}

impl<T: ?Sized> Address for &T {
    fn address(&self) -> usize {
        core::ptr::from_ref(*self).address()
    }
}

impl<T: ?Sized> Address for Arc<T> {
    fn address(&self) -> usize {
        Arc::as_ptr(self).address()
    }
}

/// `KUNIT_EXPECT_PTR_EQ` and its kin (kunit_binary_ptr_assert_format).
#[track_caller]
pub fn pointers(
    test: &Test,
    kind: Kind,
    texts: Texts<'_>,
    equal: bool,
    values: (&dyn Address, &dyn Address),
    message: Message<'_>,
) {
    seen(test);
    let (left, right) = (values.0.address(), values.1.address());
    if (left == right) == equal {
        return;
    }
    let lines = vec![
        texts.head(),
        format!("        {} == {left:016x}", texts.left),
        format!("        {} == {right:016x}", texts.right),
    ];
    failed(test, kind, lines, message);
}

/// `KUNIT_EXPECT_MEMEQ` and its kin (kunit_mem_assert_format), for the first
/// `size` bytes. Memory that is shorter than that fails the check.
#[track_caller]
pub fn memory(
    test: &Test,
    kind: Kind,
    texts: Texts<'_>,
    equal: bool,
    (left, right, size): (&[u8], &[u8], usize),
    message: Message<'_>,
) {
    seen(test);
    let (Some(left), Some(right)) = (left.get(..size), right.get(..size)) else {
        let line = format!(
            "    Expected {} and {} to have {size} bytes, but they have {} and {}",
            texts.left,
            texts.right,
            left.len(),
            right.len()
        );
        return failed(test, kind, vec![line], message);
    };
    if (left == right) == equal {
        return;
    }
    let mut lines = vec![texts.head()];
    for (text, this, other) in [(texts.left, left, right), (texts.right, right, left)] {
        lines.push(format!("        {text} =="));
        for (these, others) in this.chunks(16).zip(other.chunks(16)) {
            let bytes = these.iter().zip(others).map(|(a, b)| match a == b {
                true => format!(" {a:02x} "),
                false => format!("<{a:02x}>"),
            });
            lines.push(format!("        {}", bytes.collect::<String>()));
        }
    }
    failed(test, kind, lines, message);
}

/// Why something is no good pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPointer {
    /// It is `NULL`.
    Null,
    /// It is an `ERR_PTR`.
    Error(Errno),
}

/// What a kernel call that gives a pointer, `NULL` or an `ERR_PTR` gives here.
pub trait Pointer {
    /// What it points to.
    type Target;
    /// That, or why there is none.
    fn pointer(self) -> Result<Self::Target, NotPointer>;
}

impl<T> Pointer for Option<T> {
    type Target = T;
    fn pointer(self) -> Result<T, NotPointer> {
        self.ok_or(NotPointer::Null)
    }
}

impl<T> Pointer for lastfd_model::Result<T> {
    type Target = T;
    fn pointer(self) -> Result<T, NotPointer> {
        self.map_err(NotPointer::Error)
    }
}

/// `KUNIT_EXPECT_NULL` and `KUNIT_ASSERT_NULL`.
#[track_caller]
pub fn null<T>(test: &Test, kind: Kind, text: &str, value: &Option<T>, message: Message<'_>) {
    seen(test);
    if value.is_some() {
        let line = format!("    Expected {text} to be null, but is not");
        failed(test, kind, vec![line], message);
    }
}

/// `KUNIT_EXPECT_NOT_NULL` and `KUNIT_EXPECT_NOT_ERR_OR_NULL`
/// (kunit_ptr_not_err_assert_format): the value, if it is there.
#[track_caller]
pub fn expect_pointer<P: Pointer>(
    test: &Test,
    text: &str,
    value: P,
    message: Message<'_>,
) -> Option<P::Target> {
    pointer(test, Kind::Expectation, text, value, message)
}

/// `KUNIT_ASSERT_NOT_NULL` and `KUNIT_ASSERT_NOT_ERR_OR_NULL`: the value.
#[track_caller]
pub fn assert_pointer<P: Pointer>(
    test: &Test,
    text: &str,
    value: P,
    message: Message<'_>,
) -> P::Target {
    match pointer(test, Kind::Assertion, text, value, message) {
        Some(value) => value,
        None => test.abort(),
    }
}

#[track_caller]
fn pointer<P: Pointer>(
    test: &Test,
    kind: Kind,
    text: &str,
    value: P,
    message: Message<'_>,
) -> Option<P::Target> {
    seen(test);
    let line = match value.pointer() {
        Ok(value) => return Some(value),
        Err(NotPointer::Null) => format!("    Expected {text} is not null, but is"),
        Err(NotPointer::Error(errno)) => format!(
            "    Expected {text} is not error, but is: -{} ({errno})",
            errno.code()
        ),
    };
    failed(test, kind, vec![line], message);
    None
}

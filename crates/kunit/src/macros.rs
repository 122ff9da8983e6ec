//! Expectations, assertions and what goes with them, under the kernel's names.
//!
//! Follows `include/kunit/test.h`. Each check has an expectation, which lets
//! the case run on, and an assertion, which ends it. All take the test first. A
//! message may follow, as in `format!`; the kernel's names ending in `_msg` are
//! there too.

/// Makes the macros of the checks: for each an expectation and an assertion,
/// and both again with `_msg`. `$d` is a dollar sign, for the macros' own.
macro_rules! checks {
    ($d:tt $(
        $what:literal
        $expect:ident $expect_msg:ident $assert:ident $assert_msg:ident
        = $work:ident($($first:tt),*);
    )*) => {
        $(
            checks! { @one $d concat!("Expects that ", $what, "; if not, the case has failed and runs on."),
                $expect = $work(Expectation expect_pointer $($first)*) }
            checks! { @one $d concat!("As [`", stringify!($expect), "`], with a message."),
                $expect_msg = $work(Expectation expect_pointer $($first)*) }
            checks! { @one $d concat!("Asserts that ", $what, "; if not, the case has failed and ends here."),
                $assert = $work(Assertion assert_pointer $($first)*) }
            checks! { @one $d concat!("As [`", stringify!($assert), "`], with a message."),
                $assert_msg = $work(Assertion assert_pointer $($first)*) }
        )*
    };
    (@one $d:tt $doc:expr, $name:ident = $work:ident($($first:tt)*)) => {
        #[doc = $doc]
        #[macro_export]
        macro_rules! $name {
            ($d($d args:tt)*) => {
                $crate::$work!($($first)*, $d($d args)*)
            };
        }
    };
}

checks! { $
    "the condition `(test, condition)` is true"
    kunit_expect_true kunit_expect_true_msg kunit_assert_true kunit_assert_true_msg
        = __kunit_unary(true);
    "the condition `(test, condition)` is false"
    kunit_expect_false kunit_expect_false_msg kunit_assert_false kunit_assert_false_msg
        = __kunit_unary(false);
    "of `(test, left, right)` left equals right"
    kunit_expect_eq kunit_expect_eq_msg kunit_assert_eq kunit_assert_eq_msg
        = __kunit_binary(==);
    "of `(test, left, right)` left does not equal right"
    kunit_expect_ne kunit_expect_ne_msg kunit_assert_ne kunit_assert_ne_msg
        = __kunit_binary(!=);
    "of `(test, left, right)` left is less than right"
    kunit_expect_lt kunit_expect_lt_msg kunit_assert_lt kunit_assert_lt_msg
        = __kunit_binary(<);
    "of `(test, left, right)` left is at most right"
    kunit_expect_le kunit_expect_le_msg kunit_assert_le kunit_assert_le_msg
        = __kunit_binary(<=);
    "of `(test, left, right)` left is greater than right"
    kunit_expect_gt kunit_expect_gt_msg kunit_assert_gt kunit_assert_gt_msg
        = __kunit_binary(>);
    "of `(test, left, right)` left is at least right"
    kunit_expect_ge kunit_expect_ge_msg kunit_assert_ge kunit_assert_ge_msg
        = __kunit_binary(>=);
    "of `(test, left, right)` both have one [address](crate::check::Address)"
    kunit_expect_ptr_eq kunit_expect_ptr_eq_msg kunit_assert_ptr_eq kunit_assert_ptr_eq_msg
        = __kunit_pointers(==, true);
    "of `(test, left, right)` each has its own [address](crate::check::Address)"
    kunit_expect_ptr_ne kunit_expect_ptr_ne_msg kunit_assert_ptr_ne kunit_assert_ptr_ne_msg
        = __kunit_pointers(!=, false);
    "the strings of `(test, left, right)` are equal"
    kunit_expect_streq kunit_expect_streq_msg kunit_assert_streq kunit_assert_streq_msg
        = __kunit_strings(==);
    "the strings of `(test, left, right)` differ"
    kunit_expect_strneq kunit_expect_strneq_msg kunit_assert_strneq kunit_assert_strneq_msg
        = __kunit_strings(!=);
    "the first bytes of `(test, left, right, size)` are equal"
    kunit_expect_memeq kunit_expect_memeq_msg kunit_assert_memeq kunit_assert_memeq_msg
        = __kunit_memory(==, true);
    "the first bytes of `(test, left, right, size)` differ"
    kunit_expect_memneq kunit_expect_memneq_msg kunit_assert_memneq kunit_assert_memneq_msg
        = __kunit_memory(!=, false);
    "the `Option` of `(test, value)` is `None`"
    kunit_expect_null kunit_expect_null_msg kunit_assert_null kunit_assert_null_msg
        = __kunit_null();
    "the `Option` of `(test, value)` is `Some`, and gives what is in it"
    kunit_expect_not_null kunit_expect_not_null_msg kunit_assert_not_null kunit_assert_not_null_msg
        = __kunit_pointer();
    "the `Result` or `Option` of `(test, value)` has a value, and gives it"
    kunit_expect_not_err_or_null kunit_expect_not_err_or_null_msg kunit_assert_not_err_or_null kunit_assert_not_err_or_null_msg
        = __kunit_pointer();
}

/// The message of a check, if there is one.
#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_message {
    () => {
        ::core::option::Option::None
    };
    ($($message:tt)+) => {
        ::core::option::Option::Some(::core::format_args!($($message)+))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_unary {
    ($kind:ident $pointer:ident $expected:ident, $test:expr, $condition:expr $(, $($message:tt)*)?) => {
        $crate::check::unary(
            &$test,
            $crate::check::Kind::$kind,
            ::core::stringify!($condition),
            $condition,
            $expected,
            $crate::__kunit_message!($($($message)*)?),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_binary {
    ($kind:ident $pointer:ident $operation:tt, $test:expr, $left:expr, $right:expr $(, $($message:tt)*)?) => {
        match (&$left, &$right) {
            (left, right) => $crate::check::binary(
                &$test,
                $crate::check::Kind::$kind,
                $crate::check::Texts {
                left: ::core::stringify!($left),
                operation: ::core::stringify!($operation),
                right: ::core::stringify!($right),
            },
                *left $operation *right,
                (left, right),
                $crate::__kunit_message!($($($message)*)?),
            ),
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_strings {
    ($kind:ident $pointer:ident $operation:tt, $test:expr, $left:expr, $right:expr $(, $($message:tt)*)?) => {
        match (&$left, &$right) {
            (left, right) => {
                let left: &str = ::core::convert::AsRef::as_ref(left);
                let right: &str = ::core::convert::AsRef::as_ref(right);
                $crate::check::binary(
                    &$test,
                    $crate::check::Kind::$kind,
                    $crate::check::Texts {
                left: ::core::stringify!($left),
                operation: ::core::stringify!($operation),
                right: ::core::stringify!($right),
            },
                    left $operation right,
                    (&left, &right),
                    $crate::__kunit_message!($($($message)*)?),
                )
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_pointers {
    ($kind:ident $pointer:ident $operation:tt $equal:ident, $test:expr, $left:expr, $right:expr $(, $($message:tt)*)?) => {
        $crate::check::pointers(
            &$test,
            $crate::check::Kind::$kind,
            $crate::check::Texts {
                left: ::core::stringify!($left),
                operation: ::core::stringify!($operation),
                right: ::core::stringify!($right),
            },
            $equal,
            (&$left, &$right),
            $crate::__kunit_message!($($($message)*)?),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_memory {
    ($kind:ident $pointer:ident $operation:tt $equal:ident, $test:expr, $left:expr, $right:expr, $size:expr $(, $($message:tt)*)?) => {
        $crate::check::memory(
            &$test,
            $crate::check::Kind::$kind,
            $crate::check::Texts {
                left: ::core::stringify!($left),
                operation: ::core::stringify!($operation),
                right: ::core::stringify!($right),
            },
            $equal,
            (
                ::core::convert::AsRef::<[u8]>::as_ref(&$left),
                ::core::convert::AsRef::<[u8]>::as_ref(&$right),
                $size,
            ),
            $crate::__kunit_message!($($($message)*)?),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_null {
    ($kind:ident $pointer:ident , $test:expr, $value:expr $(, $($message:tt)*)?) => {
        $crate::check::null(
            &$test,
            $crate::check::Kind::$kind,
            ::core::stringify!($value),
            &$value,
            $crate::__kunit_message!($($($message)*)?),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __kunit_pointer {
    ($kind:ident $pointer:ident , $test:expr, $value:expr $(, $($message:tt)*)?) => {
        $crate::check::$pointer(
            &$test,
            ::core::stringify!($value),
            $value,
            $crate::__kunit_message!($($($message)*)?),
        )
    };
}

/// Does nothing but say that getting here is right.
#[macro_export]
macro_rules! kunit_succeed {
    ($test:expr $(,)?) => {
        $crate::check::seen(&$test)
    };
}

/// Fails the case, which runs on, with a message as in `format!`.
#[macro_export]
macro_rules! kunit_fail {
    ($test:expr, $($message:tt)+) => {
        $crate::check::fail(
            &$test,
            $crate::check::Kind::Expectation,
            ::core::format_args!($($message)+),
        )
    };
}

/// Fails the case, which ends here, with a message as in `format!`.
#[macro_export]
macro_rules! kunit_fail_and_abort {
    ($test:expr, $($message:tt)+) => {{
        $crate::check::fail(
            &$test,
            $crate::check::Kind::Assertion,
            ::core::format_args!($($message)+),
        );
        $crate::Test::abort(&$test)
    }};
}

/// Fails the case that runs in the System `(system, message...)`, if one does, from
/// code that has no handle on it, such as a driver's callback. It runs on
/// (`kunit_fail_current_test`).
#[macro_export]
macro_rules! kunit_fail_current_test {
    ($system:expr, $($message:tt)+) => {
        $crate::fail_current_test(&$system, ::core::format_args!($($message)+))
    };
}

/// Skips the rest of the case, with the reason as in `format!`.
#[macro_export]
macro_rules! kunit_skip {
    ($test:expr, $($reason:tt)+) => {
        $crate::Test::skip(&$test, ::std::format!($($reason)+))
    };
}

/// Marks the case as skipped, with the reason as in `format!`; it runs on.
#[macro_export]
macro_rules! kunit_mark_skipped {
    ($test:expr, $($reason:tt)+) => {
        $crate::Test::mark_skipped(&$test, ::std::format!($($reason)+))
    };
}

/// Writes a diagnostic of the case's, as in `format!`.
#[macro_export]
macro_rules! kunit_info {
    ($test:expr, $($text:tt)+) => {
        $crate::Test::log(&$test, ::std::format!($($text)+))
    };
}

/// As [`kunit_info`]; the log does not tell levels apart.
#[macro_export]
macro_rules! kunit_warn {
    ($($args:tt)+) => {
        $crate::kunit_info!($($args)+)
    };
}

/// As [`kunit_info`]; the log does not tell levels apart.
#[macro_export]
macro_rules! kunit_err {
    ($($args:tt)+) => {
        $crate::kunit_info!($($args)+)
    };
}

/// Makes a suite of plain functions: a function of the given name that gives
/// the [`Suite`](crate::Suite), and, for `cargo test` and nextest, a test for
/// each case, which runs the suite filtered to it.
///
/// A case is a `fn(&Test)`. What follows its name are calls on
/// [`Case`](crate::Case), what follows the braces are calls on the suite.
///
/// ```
/// use lastfd_kunit::{Param, Runner, Test, kunit_expect_ge, kunit_suite};
///
/// fn is_small(test: &Test) {
///     kunit_expect_ge!(test, 100, *test.param::<i32>().unwrap());
/// }
/// fn is_there(_test: &Test) {}
///
/// kunit_suite! {
///     /// Numbers as they should be.
///     pub suite numbers = "number-limits" {
///         is_there.slow(),
///         is_small.params(Param::each([1, 10, 100], i32::to_string)),
///     }
///     .init(|_| Ok(()))
/// }
/// assert!(Runner::new().run_quietly(&[numbers()]).is_success());
/// ```
#[macro_export]
macro_rules! kunit_suite {
    (
        $(#[$attribute:meta])*
        $visibility:vis suite $name:ident = $title:literal {
            $($case:ident $(.$about:ident($($given:expr),* $(,)?))*),* $(,)?
        }
        $(.$setting:ident($($value:expr),* $(,)?))*
    ) => {
        $(#[$attribute])*
        $visibility fn $name() -> $crate::Suite {
            $crate::Suite::new($title)
                .module($crate::harness::crate_of(::core::module_path!()))
                $(.case(
                    $crate::Case::new(::core::stringify!($case), $case)
                        $(.$about($($given),*))*
                ))*
                $(.$setting($($value),*))*
        }

        #[cfg(test)]
        mod $name {
            $(
                #[test]
                fn $case() {
                    $crate::harness::run_one(&super::$name(), ::core::stringify!($case));
                }
            )*
        }
    };
}

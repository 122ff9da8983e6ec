//! The typed face forbids these mistakes, with messages that say what to do.
//! That the raw face allows them is in the tests of `iio/`.

#[test]
fn the_typed_face_forbids_these_mistakes() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

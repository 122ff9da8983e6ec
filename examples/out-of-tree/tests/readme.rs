//! The README shows this crate; it must show it as it is.

const README: &str = include_str!("../../../README.md");

#[test]
fn the_readme_shows_the_driver_and_its_test_as_they_are() {
    for shown in [include_str!("../src/lib.rs"), include_str!("unplug.rs")] {
        let block = format!("```rust\n{}\n```", shown.trim_end());
        assert!(README.contains(&block), "the README differs from:\n{shown}");
    }
}

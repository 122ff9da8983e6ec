//! Whether a test that a page names is there.

use std::fs;
use std::path::Path;

/// Whether `name` is a test of the file: a function that is run as one, a case
/// of a suite, or, for files that are a test as a whole, the file's own name.
pub(crate) fn shows(path: &Path, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(path) else {
        return false;
    };
    let whole = path.extension().is_some_and(|kind| kind == "scenario")
        || path
            .components()
            .any(|part| part.as_os_str() == "compile_fail");
    if whole {
        return path.file_stem().is_some_and(|stem| stem == name);
    }
    is_test(&text, name) || is_case(&text, name)
}

/// A function with the attribute `#[test]`.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        line.starts_with(&head)
            && lines[..at]
                .iter()
                .rev()
                .take_while(|above| above.starts_with('#') || above.starts_with("//"))
                .any(|above| *above == "#[test]")
    })
}

/// A function of a KUnit suite that some suite of the file lists.
fn is_case(text: &str, name: &str) -> bool {
    let head = format!("fn {name}(test: &Test");
    let entry = |line: &str| {
        let line = line.trim();
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([',', '.']))
    };
    text.lines().any(|line| line.starts_with(&head)) && text.lines().any(entry)
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages/named.rs");
    assert!(shows(&here, "what_is_no_test_is_not_taken_for_one"));
    assert!(!shows(&here, "is_case"));
    assert!(!shows(&here, "what_is_no_test"));
    assert!(!shows(&here.with_file_name("nowhere.rs"), "is_case"));
    let suite = "fn one(test: &Test) {\n}\nfn two(test: &Test) {\n}\nsuite {\n    one,\n}\n";
    assert!(is_case(suite, "one"));
    assert!(!is_case(suite, "two"));
}

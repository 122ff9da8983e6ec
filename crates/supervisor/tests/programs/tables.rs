//! docs/syscalls.md is the table, and docs/limits.md names every test of a limit.

use std::path::{Path, PathBuf};

use lastfd_supervisor::{TABLE, page};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

/// `LASTFD_DOCS=overwrite` writes the page anew.
#[test]
fn the_page_of_system_calls_is_the_table() {
    let path = docs("syscalls.md");
    if std::env::var_os("LASTFD_DOCS").is_some_and(|how| how == "overwrite") {
        std::fs::write(&path, page()).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        page(),
        "LASTFD_DOCS=overwrite cargo test -p lastfd-supervisor tables"
    );
    for row in TABLE {
        assert!(text.contains(&format!("`{}`", row.name)), "{}", row.name);
    }
}

#[test]
fn every_limit_has_a_test_and_every_test_of_a_limit_is_listed() {
    let page = std::fs::read_to_string(docs("limits.md")).unwrap();
    let tests = |source: &'static str| {
        let after = source.split("#[test]\nfn ").skip(1);
        after.filter_map(|rest| rest.split('(').next())
    };
    let of_limits: Vec<_> = tests(include_str!("limits.rs")).collect();
    for test in &of_limits {
        assert!(
            page.contains(&format!("`{test}`")),
            "{test} is not in docs/limits.md"
        );
    }
    let named = page.split('`').skip(1).step_by(2).filter(|name| {
        name.len() > 24 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    });
    let elsewhere = [
        include_str!("restricted.rs"),
        include_str!("accelerated.rs"),
        include_str!("signals.rs"),
    ];
    let elsewhere: Vec<_> = elsewhere.into_iter().flat_map(tests).collect();
    for name in named {
        let there = of_limits.contains(&name) || elsewhere.contains(&name);
        assert!(there, "there is no test {name}");
    }
}

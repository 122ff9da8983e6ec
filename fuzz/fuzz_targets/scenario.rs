//! Any text is a scenario or has a fault that lies inside it and can be shown.

#![no_main]

use lastfd_scenario::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Err(error) = parse("fuzz.scenario", text) else {
        return;
    };
    let lines: Vec<&str> = text.lines().collect();
    // A fault of what is missing lies just past the end.
    assert!((1..=lines.len() + 1).contains(&error.line()), "{error:?}");
    let line = lines.get(error.line() - 1).unwrap_or(&"");
    assert!(
        (1..=line.chars().count() + 1).contains(&error.column()),
        "{error:?}"
    );
    assert!(!error.message().is_empty());
    assert!(error.to_string().starts_with("fuzz.scenario:"));
});

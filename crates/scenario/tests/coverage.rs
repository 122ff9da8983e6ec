//! `docs/coverage.tsv`: each public function of the driver core, and whether what is
//! here is the kernel's. What a row claims is there, and `docs/coverage.md` says the
//! same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lastfd_scenario::language::STATEMENTS;

const STATUSES: [&str; 4] = ["same", "differs", "no referee", "absent"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("failed to read {}: {e}", path.display()))
}

struct Row {
    file: String,
    function: String,
    status: String,
    /// `PATH::NAME`, or `-`.
    here: String,
    /// A statement of the scenario language, `PATH::TEST`, or `-`.
    shown: String,
    note: String,
}

fn rows() -> Vec<Row> {
    let text = text_of(&root().join("docs/coverage.tsv"));
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [file, function, status, here, shown, note] = cells[..] else {
            panic!("expected six cells: {line}");
        };
        let own = str::to_owned;
        Row {
            file: own(file),
            function: own(function),
            status: own(status),
            here: own(here),
            shown: own(shown),
            note: own(note),
        }
    });
    rows.collect()
}

/// The word of a line's statement, behind its form and its result.
fn statement(line: &str) -> Option<&'static str> {
    let mut words = line.split_whitespace();
    let mut word = words.next()?;
    if matches!(word, ">" | "do" | "try") {
        word = words.next()?;
    }
    let rest: Vec<&str> = words.collect();
    if let ["=", call, ..] = rest[..] {
        word = call;
    }
    let statement = STATEMENTS.iter().find(|s| s.word == word)?;
    Some(statement.word)
}

/// How many recorded scenarios make each call.
fn recorded() -> BTreeMap<String, usize> {
    let folder = root().join("oracle/scenarios");
    let mut counts = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("the scenarios are there") {
        let path = entry.expect("a folder that can be listed").path();
        let text = text_of(&path);
        let mut words: Vec<&str> = text.lines().filter_map(statement).collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            *counts.entry(word.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

/// Whether there is such a function in such a file.
fn is_there(place: &str) -> bool {
    place.split_once("::").is_some_and(|(path, name)| {
        let path = root().join(path);
        path.exists() && text_of(&path).contains(&format!("fn {name}"))
    })
}

#[test]
fn no_function_has_two_rows() {
    let rows = rows();
    for (at, row) in rows.iter().enumerate() {
        let before = rows[..at].iter().find(|r| r.function == row.function);
        assert!(before.is_none(), "{} is there twice", row.function);
        assert!(
            STATUSES.contains(&row.status.as_str()),
            "{}: what is {}?",
            row.function,
            row.status
        );
    }
}

#[test]
fn what_is_the_same_is_called_by_a_recorded_scenario() {
    let recorded = recorded();
    for row in rows().iter().filter(|row| row.status == "same") {
        assert!(is_there(&row.here), "{}: no {}", row.function, row.here);
        assert!(
            recorded.contains_key(&row.shown),
            "{}: no recorded scenario says {}",
            row.function,
            row.shown
        );
    }
}

#[test]
fn what_no_kernel_judged_is_shown_by_a_test() {
    for row in rows().iter().filter(|row| row.status == "no referee") {
        assert!(is_there(&row.here), "{}: no {}", row.function, row.here);
        assert!(is_there(&row.shown), "{}: no {}", row.function, row.shown);
    }
}

#[test]
fn what_differs_says_how_and_where() {
    for row in rows().iter().filter(|row| row.status == "differs") {
        assert!(row.note.len() > 1, "{}: how?", row.function);
        let there = row.here == "-" || is_there(&row.here);
        assert!(there, "{}: no {}", row.function, row.here);
    }
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("a folder that can be listed").path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&text_of(&path));
        }
    }
}

#[test]
fn what_is_absent_is_not_there() {
    let mut text = String::new();
    for of in ["model", "kunit"] {
        sources(&root().join("crates").join(of).join("src"), &mut text);
    }
    for row in rows().iter().filter(|row| row.status == "absent") {
        assert!(row.note.len() > 1, "{}: what instead?", row.function);
        let call = format!("pub fn {}(", row.function);
        assert!(!text.contains(&call), "{} is there", row.function);
    }
}

/// The page as the rows have it.
fn page() -> String {
    let (rows, recorded) = (rows(), recorded());
    let mut page = String::from(
        "# The driver core, function by function\n\n\
         Each public function of `drivers/base` in Linux 6.12 (core, bus, dd, driver, devres,\n\
         class, platform, auxiliary), what came after it as far as it is asked for, and the\n\
         device helpers of KUnit. Made from `coverage.tsv` beside it, whose claims are tested:\n\
         `crates/scenario/tests/coverage.rs`.\n\n\
         | status | means | functions |\n| --- | --- | --- |\n",
    );
    let meanings = [
        "a recorded scenario makes the call, and what is here prints the kernel's trace",
        "it is here in another form",
        "it follows the kernel's source and has a test, but no recorded scenario makes the call",
        "it is not here; what there is instead",
    ];
    for (status, meaning) in STATUSES.iter().zip(meanings) {
        let count = rows.iter().filter(|row| row.status == *status).count();
        let _ = writeln!(page, "| {status} | {meaning} | {count} |");
    }
    let mut file = "";
    for row in &rows {
        if row.file != file {
            file = &row.file;
            let title = match file {
                "kunit" => "lib/kunit/device.c".to_owned(),
                file => format!("drivers/base/{file}.c"),
            };
            let _ = write!(
                page,
                "\n## {title}\n\n| function | status | shown by | remarks |\n| --- | --- | --- | --- |\n"
            );
        }
        let function = match row.function.contains('`') {
            true => row.function.clone(),
            false => format!("`{}`", row.function),
        };
        let shown = match (row.status.as_str(), row.shown.rsplit_once("::")) {
            ("same", _) => {
                let count = recorded.get(&row.shown).copied().unwrap_or(0);
                let s = if count == 1 { "" } else { "s" };
                format!("`{}` in {count} scenario{s}", row.shown)
            }
            (_, Some((path, test))) => format!("[`{test}`](../{path})"),
            _ => String::new(),
        };
        let note = if row.note == "-" { "" } else { &row.note };
        let cells = [&function, &row.status, &shown, note].map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page
}

#[test]
fn the_page_is_as_the_rows_are() {
    let path = root().join("docs/coverage.md");
    let wanted = page();
    if std::env::var_os("LASTFD_WRITE_PAGES").is_some() {
        fs::write(&path, wanted).expect("the page can be written");
    } else {
        assert!(
            path.exists() && text_of(&path) == wanted,
            "docs/coverage.md is not as docs/coverage.tsv; LASTFD_WRITE_PAGES=1 writes it anew"
        );
    }
}

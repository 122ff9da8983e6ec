//! The tables of the pages, which are made from the rows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::rows::{Row, rows};
use crate::{PAGES, docs, text_of};

/// What a column of a kind is called.
const TITLES: &[(&str, &str)] = &[
    ("all", "every kind"),
    ("cec", "after"),
    ("drm-unplug", "after `drm_dev_unplug`"),
    ("drm-unregister", "after `drm_dev_unregister` alone"),
    ("iio-chrdev", "device node"),
    ("iio-buffer", "buffer's descriptor"),
    ("iio-event", "event descriptor"),
    ("media", "media controller"),
    ("v4l2-unbind", "after unbind"),
    ("v4l2-disconnect", "after Disconnect"),
];

const BEGIN: &str = "<!-- rows: ";
const END: &str = "<!-- end of rows -->";

fn title(kind: &str) -> &str {
    let known = TITLES.iter().find(|(known, _)| *known == kind);
    known.unwrap_or_else(|| panic!("no such kind: {kind}")).1
}

/// A recorded value; nothing for what was not recorded.
fn cell(value: &str) -> &str {
    if value == "-" { "" } else { value }
}

/// The page with each table as the rows have it. A table is between a comment
/// `<!-- rows: PART KIND... -->` and the end's.
fn with_tables(page: &str, rows: &[Row]) -> String {
    let mut whole = String::new();
    let mut rest = page;
    while let Some(at) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(at);
        let (head, _) = from.split_once('\n').expect("a line of its own");
        let words = head.trim_start_matches(BEGIN).trim_end_matches("-->");
        let words: Vec<&str> = words.split_whitespace().collect();
        let (part, kinds) = words.split_first().expect("a part of the rows");
        let end = from.find(END).expect("the end of the table");
        let _ = write!(
            whole,
            "{before}{head}\n\n{}\n{END}",
            table(rows, part, kinds)
        );
        rest = &from[end + END.len()..];
    }
    whole + rest
}

fn table(rows: &[Row], part: &str, kinds: &[&str]) -> String {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| row.part == part && kinds.contains(&row.kind.as_str()))
        .collect();
    assert!(!rows.is_empty(), "no rows of {part} {kinds:?}");
    let mut operations: Vec<&str> = Vec::new();
    for row in &rows {
        if !operations.contains(&row.operation.as_str()) {
            operations.push(&row.operation);
        }
    }
    let of = |operation: &str, kind: &str| {
        rows.iter()
            .copied()
            .find(|row| row.operation == operation && row.kind == kind)
    };
    let before =
        |operation: &str, kind: &str| of(operation, kind).map_or("", |row| cell(&row.before));
    let one_before = operations.iter().all(|operation| {
        let all: BTreeSet<&str> = kinds.iter().map(|kind| before(operation, kind)).collect();
        all.len() == 1
    });
    let no_before = rows.iter().all(|row| row.before == "-");
    let any_missing = rows.iter().any(|row| row.missing().is_some());

    let mut heads = vec!["call".to_owned()];
    if one_before && !no_before {
        heads.push("before".to_owned());
    }
    for kind in kinds {
        if !one_before && !no_before {
            heads.push(format!("{}, before", title(kind)));
            heads.push("after".to_owned());
        } else if no_before && kinds.len() == 1 {
            heads.push("gives".to_owned());
        } else {
            heads.push(title(kind).to_owned());
        }
    }
    if any_missing {
        heads.push("not shown yet".to_owned());
    }
    let mut text = line(&heads);
    text += &line(&vec!["---".to_owned(); heads.len()]);
    for operation in operations {
        let mut cells = vec![operation.to_owned()];
        if one_before && !no_before {
            cells.push(before(operation, kinds[0]).to_owned());
        }
        for kind in kinds {
            if !one_before && !no_before {
                cells.push(before(operation, kind).to_owned());
            }
            cells.push(
                of(operation, kind)
                    .map_or("", |row| cell(&row.after))
                    .to_owned(),
            );
        }
        if any_missing {
            let missing = kinds
                .iter()
                .filter_map(|kind| of(operation, kind)?.missing());
            cells.push(missing.map(str::to_owned).next().unwrap_or_default());
        }
        text += &line(&cells);
    }
    text
}

fn line(cells: &[String]) -> String {
    assert!(cells.iter().all(|cell| !cell.contains('|')), "{cells:?}");
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn the_tables_of_the_pages_are_those_of_the_rows() {
    let rows = rows();
    let write = std::env::var_os("LASTFD_WRITE_PAGES").is_some();
    for page in PAGES {
        let path = docs().join(page);
        let text = text_of(&path);
        let wanted = with_tables(&text, &rows);
        if write && text != wanted {
            fs::write(&path, wanted).unwrap();
        } else {
            assert!(
                text == wanted,
                "docs/{page} is not as docs/unplug-rows.tsv; LASTFD_WRITE_PAGES=1 writes it anew"
            );
        }
    }
}

#[test]
fn every_row_is_on_a_page() {
    let pages: String = PAGES
        .iter()
        .map(|page| text_of(&docs().join(page)))
        .collect();
    let heads: Vec<Vec<&str>> = pages
        .lines()
        .filter_map(|line| line.strip_prefix(BEGIN))
        .map(|words| words.split_whitespace().collect())
        .collect();
    for row in rows() {
        let there = heads
            .iter()
            .any(|head| head[0] == row.part && head[1..].contains(&row.kind.as_str()));
        assert!(there, "on no page: {} of {}", row.part, row.kind);
    }
}

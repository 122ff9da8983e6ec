//! `docs/unplug-rows.tsv`: what each call gives before and after its device is
//! removed, as recorded from Linux 6.12, one line for each call and kind of
//! descriptor, and the test that shows it or the part that is missing for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{docs, named, repository, text_of};

/// How many lines were recorded of each kind.
const RECORDED: &[(&str, usize)] = &[
    ("all", 2),
    ("cec", 46),
    ("drm-unplug", 54),
    ("drm-unregister", 49),
    ("iio-buffer", 31),
    ("iio-chrdev", 40),
    ("iio-event", 31),
    ("media", 6),
    ("v4l2-disconnect", 47),
    ("v4l2-unbind", 52),
];

/// A line of the file.
pub(crate) struct Row {
    /// What sort of thing was recorded: `call`, `blocked`, ...
    pub(crate) part: String,
    pub(crate) operation: String,
    pub(crate) kind: String,
    /// `-` for what was not recorded.
    pub(crate) before: String,
    pub(crate) after: String,
    done: bool,
    /// The tests that show it, or what is missing.
    shown: String,
}

impl Row {
    fn parse(line: &str) -> Row {
        let cells: Vec<&str> = line.split('\t').collect();
        let [part, operation, kind, before, after, status, shown] = cells[..] else {
            panic!("not seven cells: {line}");
        };
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{line}");
        Row {
            part: part.to_owned(),
            operation: operation.to_owned(),
            kind: kind.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            done: match status {
                "done" => true,
                "missing" => false,
                other => panic!("{other} is neither done nor missing: {line}"),
            },
            shown: shown.to_owned(),
        }
    }

    /// What is missing for it.
    pub(crate) fn missing(&self) -> Option<&str> {
        (!self.done).then_some(self.shown.as_str())
    }

    /// What is wrong with the tests it names, if anything is.
    fn wrong(&self) -> Option<String> {
        if !self.done {
            let part = self.shown.split(':').next().unwrap_or_default();
            let told = part.ends_with(", later") || part.ends_with(", not planned yet");
            return (!told).then(|| format!("{} does not say when", self.shown));
        }
        self.shown.split(' ').find_map(|test| self.wrong_test(test))
    }

    /// `PATH::NAME`. A recorded call is a parameter of the case, which takes the
    /// calls of this kind of descriptor from the rows.
    fn wrong_test(&self, test: &str) -> Option<String> {
        let Some((path, name)) = test.split_once("::") else {
            return Some(format!("{test} is not PATH::NAME"));
        };
        let path = repository().join(path);
        if !named::shows(&path, name) {
            return Some(format!("there is no test {test}"));
        }
        let params = format!("{name}.params(calls(\"{}\"))", self.kind);
        let run = self.part != "call" || text_of(&path).contains(&params);
        (!run).then(|| format!("{test} does not run the calls of {}", self.kind))
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let text = text_of(&docs().join("unplug-rows.tsv"));
    text.lines().skip(1).map(Row::parse).collect()
}

#[test]
fn every_row_is_shown_by_a_test_that_is_there_or_says_what_is_missing() {
    let wrong: Vec<String> = rows()
        .iter()
        .filter_map(|row| {
            let wrong = row.wrong()?;
            Some(format!("{} on {}: {wrong}", row.operation, row.kind))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recorded_row_has_one_entry() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        let key = (&row.part, &row.operation, &row.kind);
        assert!(seen.insert(key), "twice: {key:?}");
        *count.entry(&row.kind).or_default() += 1;
    }
    let recorded: BTreeMap<&str, usize> = RECORDED.iter().copied().collect();
    assert_eq!(count, recorded);
}

//! Links of the pages: they lead somewhere, and a link to a test file is named
//! for a test in it.

use std::path::Path;

use crate::{PAGES, docs, named, text_of};

/// A link that is not to the web: what it reads, and where it leads, from
/// `docs/`.
pub(crate) struct Link<'a> {
    pub(crate) label: &'a str,
    pub(crate) target: &'a str,
}

impl Link<'_> {
    /// Whether it names a test, and that one is there.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.label.trim_matches('`');
        let name = name.split(' ').next().unwrap_or_default();
        self.leads_to_tests() && named::shows(&docs().join(self.target), name)
    }

    fn leads_to_tests(&self) -> bool {
        let of_tests = self.target.contains("/tests/") || self.target.contains("/suites/src/");
        of_tests && self.target.ends_with(".rs") || self.target.ends_with(".scenario")
    }
}

/// The links of a text in Markdown, but for those to the web.
pub(crate) fn links(text: &str) -> Vec<Link<'_>> {
    let ends = text.match_indices("](").map(|(at, _)| at);
    ends.filter_map(|at| {
        let label = &text[text[..at].rfind('[')? + 1..at];
        let from = &text[at + 2..];
        let target = &from[..from.find(')')?];
        Some(Link { label, target })
    })
    .filter(|link| !link.target.contains("://"))
    .collect()
}

#[test]
fn every_link_leads_somewhere_and_every_named_test_is_there() {
    let mut wrong = Vec::new();
    for page in PAGES {
        for link in links(&text_of(&docs().join(page))) {
            let target = link.target.split('#').next().unwrap_or_default();
            let there = target.is_empty() || docs().join(Path::new(target)).exists();
            if !there || link.leads_to_tests() && !link.is_test() {
                wrong.push(format!("docs/{page}: [{}]({})", link.label, link.target));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

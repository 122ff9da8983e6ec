//! The gaps that the pages say a kernel has: each names a test that shows it.

use crate::links::links;
use crate::{PAGES, docs, text_of};

/// Sections that list gaps.
const SECTIONS: [&str; 2] = ["## The gaps", "## Miscellaneous devices"];

/// The points of a list in Markdown: lines that begin with `- `, each with the
/// lines below it that are set in.
fn points(section: &str) -> Vec<String> {
    let mut points: Vec<String> = Vec::new();
    for line in section.lines() {
        if line.starts_with("- ") {
            points.push(line.to_owned());
        } else if let (true, Some(point)) = (line.starts_with("  "), points.last_mut()) {
            *point += line;
        }
    }
    points
}

/// The gaps of a page.
fn gaps(page: &str) -> Vec<String> {
    let sections = page.split("\n## ").skip(1);
    let gaps = sections.filter(|section| {
        let title = section.lines().next().unwrap_or_default();
        SECTIONS.iter().any(|head| head[3..] == *title)
    });
    gaps.flat_map(points).collect()
}

#[test]
fn every_gap_is_shown_by_a_test() {
    let mut pages_with_gaps = 0;
    for page in PAGES {
        let gaps = gaps(&text_of(&docs().join(page)));
        pages_with_gaps += usize::from(!gaps.is_empty());
        for gap in gaps {
            let shown = links(&gap).iter().any(|link| link.is_test());
            assert!(shown, "docs/{page}: no test shows {gap}");
        }
    }
    assert_eq!(pages_with_gaps, 5, "a page of each framework, and of none");
}

#[test]
fn gaps_are_the_points_of_their_sections_alone() {
    let page = "# X\n\n## The rule\n\n- no\n\n## The gaps\n\n- one\n  more\n- two\n\nEnd.\n";
    assert_eq!(gaps(page), ["- one  more", "- two"]);
}

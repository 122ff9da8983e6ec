//! `docs/thread.md`: claim by claim, each with what shows it.

use crate::links::links;
use crate::{docs, text_of};

const FIELDS: [&str; 2] = ["**Rules:**", "**Since then:**"];
const SHOWN: &str = "**Shown by:**";
const NOT_SHOWN: &str = "**Not shown yet:**";

#[test]
fn every_claim_of_the_thread_is_shown_or_says_why_not() {
    let page = text_of(&docs().join("thread.md"));
    let claims: Vec<&str> = page.split("\n## ").skip(1).collect();
    let mut not_shown = 0;
    for (at, claim) in claims.iter().enumerate() {
        let title = claim.lines().next().unwrap_or_default();
        assert!(
            title.starts_with(&format!("{}. ", at + 1)),
            "number of {title}"
        );
        for field in FIELDS {
            let text = field_of(claim, field).unwrap_or_else(|| panic!("{field} of {title}"));
            assert!(!text.is_empty(), "{field} of {title}");
        }
        let rules = field_of(claim, FIELDS[0]).unwrap_or_default();
        let known = rules.contains("linux-6.12") || rules.contains("linux-pre-6.6");
        assert!(known, "rules of {title}");
        let shown = field_of(claim, SHOWN).unwrap_or_default();
        let tests = links(shown).iter().filter(|link| link.is_test()).count();
        match field_of(claim, NOT_SHOWN) {
            Some(why) => {
                assert!(!why.is_empty(), "why is {title} not shown?");
                not_shown += 1;
            }
            None => assert!(tests > 0, "no test shows {title}"),
        }
    }
    let counted = format!("Claims: {}. Not shown yet: {not_shown}.", claims.len());
    assert!(page.contains(&counted), "the page has to say: {counted}");
}

/// A paragraph of the claim that begins so.
fn field_of<'a>(claim: &'a str, field: &str) -> Option<&'a str> {
    let (_, from) = claim.split_once(field)?;
    Some(from.split("\n\n").next().unwrap_or(from).trim())
}

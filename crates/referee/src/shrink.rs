//! Makes a scenario that differs short.

/// The shortest text that could be found, by leaving out lines and keyword operands,
/// for which `still` is true; it is true for `text`.
///
/// Whole bodies go first, then lines, from the end on: what is defined goes after what
/// uses it. `still` is asked for text that may not even be a scenario.
pub fn shrink(text: &str, mut still: impl FnMut(&str) -> bool) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    loop {
        let before = lines.clone();
        without_stretches(&mut lines, &mut still);
        without_bodies(&mut lines, &mut still);
        without_keywords(&mut lines, &mut still);
        if lines == before {
            return joined(&lines);
        }
    }
}

fn joined(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// Leaves out stretches of lines, long ones first, single lines last.
fn without_stretches(lines: &mut Vec<String>, still: &mut impl FnMut(&str) -> bool) {
    let mut length = lines.len() / 2;
    while length > 0 {
        let mut end = lines.len();
        while end > 1 {
            // The first line names the scenario.
            let start = end.saturating_sub(length).max(1);
            let mut shorter = lines.clone();
            shorter.drain(start..end);
            if still(&joined(&shorter)) {
                *lines = shorter;
            }
            end = start;
        }
        length /= 2;
    }
}

/// Leaves out whole bodies, and bodies' insides.
fn without_bodies(lines: &mut Vec<String>, still: &mut impl FnMut(&str) -> bool) {
    let mut at = lines.len();
    while at > 0 {
        at -= 1;
        if !opens_body(&lines[at]) {
            continue;
        }
        let Some(length) = lines[at..].iter().position(|l| l.trim() == "end") else {
            continue;
        };
        let mut shorter = lines.clone();
        shorter.drain(at..=at + length);
        if still(&joined(&shorter)) {
            *lines = shorter;
        }
    }
}

fn opens_body(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let body = matches!(
        words.next(),
        Some("probe" | "remove" | "action" | "each" | "hook")
    );
    body && words.nth(1).is_none()
}

/// Leaves out `key=value` and `>`.
fn without_keywords(lines: &mut Vec<String>, still: &mut impl FnMut(&str) -> bool) {
    for at in 1..lines.len() {
        loop {
            let words: Vec<&str> = lines[at].split(' ').collect();
            let shorter = (0..words.len()).rev().find_map(|word| {
                let spare = words[word] == ">" || words[word].contains('=') && words[word] != "=";
                if !spare || words[word].contains('"') {
                    return None;
                }
                let mut fewer = words.clone();
                fewer.remove(word);
                let mut changed = lines.clone();
                changed[at] = fewer.join(" ");
                still(&joined(&changed)).then_some(changed)
            });
            match shorter {
                Some(changed) => *lines = changed,
                None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lastfd_scenario::parse;
    use proptest::prelude::*;

    use super::shrink;
    use crate::generate::generate;

    #[test]
    fn only_what_matters_is_left() {
        let text = "scenario a\n\nprobe p\n  devm_add_action self act A1\n  \
            devm_add_action self act A2\nend\nplatform_driver d \"lf\" probe=p\n\
            > platform_driver_register d\nplatform_device x \"lf\" 1\n\
            > platform_device_add x\nnote \"here\"\n> platform_device_unregister x\n";
        let valid = |t: &str| parse("a.scenario", t).is_ok();
        let short = shrink(text, |t| valid(t) && t.contains("act A2"));
        assert_eq!(
            short,
            "scenario a\nprobe p\n  devm_add_action self act A2\nend\n"
        );
        let short = shrink(text, |t| {
            valid(t) && t.contains("platform_driver_register d")
        });
        assert_eq!(
            short,
            "scenario a\nplatform_driver d \"lf\"\nplatform_driver_register d\n"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever is asked for is still there, can be read, and no line of what is
        /// left could be left out.
        #[test]
        fn what_is_left_has_no_line_to_spare(number in 0..10_000_u64, which in any::<prop::sample::Index>()) {
            let text = generate("x", 1, number);
            let lines: Vec<&str> = text.lines().filter(|l| !l.is_empty()).collect();
            let wanted = which.get(&lines).trim().to_owned();
            let still = |t: &str| {
                parse("x.scenario", t).is_ok() && t.lines().any(|l| l.trim() == wanted)
            };
            let short = shrink(&text, still);
            prop_assert!(still(&short));
            let left: Vec<&str> = short.lines().collect();
            for at in 1..left.len() {
                let mut fewer = left.clone();
                fewer.remove(at);
                prop_assert!(!still(&fewer.join("\n")), "{} can go from\n{short}", left[at]);
            }
        }
    }
}

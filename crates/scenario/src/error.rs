//! What is wrong with a scenario, and where.

use std::fmt;

/// A fault in a scenario: the place, the line, and what was expected there.
///
/// It prints as `FILE:LINE:COLUMN: what`, then the line with a caret below it, then,
/// where there is one, a hint:
///
/// ```
/// let error = lastfd_scenario::parse("a1.scenario", "scenario a1\nref rot\n").unwrap_err();
/// let lines = [
///     "a1.scenario:2:5: expected the name of a device, but `rot` is not defined",
///     "   |",
///     " 2 | ref rot",
///     "   |     ^^^",
/// ];
/// assert_eq!(error.to_string(), lines.join("\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) width: usize,
    pub(crate) source: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl ParseError {
    /// The name the text was given under.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column, counted in characters from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What was expected and what was found.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to try instead, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // A tab before the caret is kept, so that the two lines agree in any width.
        let before: String = self
            .source
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        writeln!(f, " {margin} |")?;
        writeln!(f, " {number} | {}", self.source.trim_end())?;
        write!(f, " {margin} | {before}{}", "^".repeat(self.width.max(1)))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n {margin} = {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseError {}

/// The word of `candidates` that `word` was most likely meant to be.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = match word.len() {
        0 | 1 => return None,
        2 | 3 => 1,
        4..=7 => 2,
        8..=40 => 4,
        _ => return None,
    };
    candidates
        .into_iter()
        .map(|c| (distance(word, c), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// How many letters must be put in, left out or changed to turn one into the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        assert_eq!(closest("devise", ["device", "driver"]), Some("device"));
        assert_eq!(closest("rot", ["root"]), Some("root"));
        assert_eq!(closest("x", ["device"]), None);
    }

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}

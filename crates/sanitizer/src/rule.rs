//! The rules as data: what the mistake is, when a kernel fails, what to do.

use core::fmt;

/// A class of mistake.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its number: G1 is 1.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// What a kernel would have done.
    pub kernel: &'static str,
    /// How to mend it.
    pub fix: &'static str,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G{} {}", self.number, self.name)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.number == other.number
    }
}

impl Eq for Rule {}

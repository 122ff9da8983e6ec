//! Which cases run: globs and attributes.
//!
//! Follows `lib/kunit/executor.c`, `lib/kunit/attributes.c` and `lib/glob.c`.

use core::fmt;
use core::str::FromStr;

use crate::suite::{Case, Suite};

/// How long a test takes (`enum kunit_speed`), slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speed {
    /// Much more than a second.
    VerySlow,
    /// More than a second.
    Slow,
    /// Anything less; the same as not saying.
    Normal,
}

impl Speed {
    /// Whether it is allowed to take seconds.
    pub fn is_slow(self) -> bool {
        self != Speed::Normal
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Speed::VerySlow => "very_slow",
            Speed::Slow => "slow",
            Speed::Normal => "normal",
        })
    }
}

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// There is no operation in it.
    #[error("failed to read filter `{filter}`: expected ATTRIBUTE, one of < <= > >= = !=, VALUE")]
    NoOperation {
        /// The filter.
        filter: String,
    },
    /// Nothing has this attribute.
    #[error(
        "failed to read filter `{filter}`: there is no attribute `{name}`; expected `speed`, `module` or `is_init`"
    )]
    NoAttribute {
        /// The filter.
        filter: String,
        /// The name in it.
        name: String,
    },
    /// The attribute cannot have this value.
    #[error(
        "failed to read filter `{filter}`: `{value}` is no value of `{name}`; expected {expected}"
    )]
    NoValue {
        /// The filter.
        filter: String,
        /// The attribute.
        name: &'static str,
        /// The value.
        value: String,
        /// The values there are.
        expected: &'static str,
    },
    /// Words cannot be ordered.
    #[error("failed to read filter `{filter}`: `{name}` can only be compared with = and !=")]
    NotOrdered {
        /// The filter.
        filter: String,
        /// The attribute.
        name: &'static str,
    },
}

/// Which suites and cases of them: `SUITE` or `SUITE.CASE`, each a glob.
///
/// ```
/// use lastfd_kunit::Glob;
/// let glob = Glob::new("kunit-*.a_?[!0-9]");
/// assert!(glob.matches("kunit-device", "a_bc"));
/// assert!(!glob.matches("kunit-device", "a_b1"));
/// assert!(Glob::new("kunit-*").matches("kunit-device", "anything"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    suite: String,
    case: Option<String>,
}

impl Glob {
    /// Splits at the first dot (`kunit_parse_glob_filter`).
    pub fn new(text: &str) -> Glob {
        match text.split_once('.') {
            Some((suite, case)) => Glob {
                suite: suite.to_owned(),
                case: Some(case.to_owned()),
            },
            None => Glob {
                suite: text.to_owned(),
                case: None,
            },
        }
    }

    /// Whether it names this case.
    pub fn matches(&self, suite: &str, case: &str) -> bool {
        let of_case = |glob: &String| glob_match(glob.as_bytes(), case.as_bytes());
        glob_match(self.suite.as_bytes(), suite.as_bytes())
            && self.case.as_ref().is_none_or(of_case)
    }
}

/// glob_match: `*`, `?`, `[a-z]`, `[!a-z]` and `\` before any of them. Only
/// the last `*` is ever taken back, so it takes no more than the product of the
/// lengths.
fn glob_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut last_star = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            last_star = Some((rest, text));
            pattern = rest;
        } else if let Some(rest) = match_one(pattern, text) {
            pattern = rest;
            text = &text[1..];
        } else if pattern.is_empty() && text.is_empty() {
            return true;
        } else {
            match last_star {
                Some((rest, [_, shorter @ ..])) => {
                    last_star = Some((rest, shorter));
                    (pattern, text) = (rest, shorter);
                }
                _ => return false,
            }
        }
    }
}

/// What is left of the pattern once its first element matched the first byte.
fn match_one<'a>(pattern: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let byte = *text.first()?;
    let (&first, rest) = pattern.split_first()?;
    match first {
        b'?' => Some(rest),
        b'[' => match class(rest) {
            Some((class, rest)) => class.has(byte).then_some(rest),
            // Without an end it stands for itself.
            None => (byte == b'[').then_some(rest),
        },
        b'\\' if !rest.is_empty() => (byte == rest[0]).then(|| &rest[1..]),
        first => (byte == first).then_some(rest),
    }
}

struct Class {
    inverted: bool,
    ranges: Vec<(u8, u8)>,
}

impl Class {
    fn has(&self, byte: u8) -> bool {
        let inside = self.ranges.iter().any(|(a, b)| (*a..=*b).contains(&byte));
        inside != self.inverted
    }
}

/// The class that starts here, and what follows it; None if it never ends.
fn class(pattern: &[u8]) -> Option<(Class, &[u8])> {
    let inverted = pattern.first() == Some(&b'!');
    let mut rest = &pattern[usize::from(inverted)..];
    let mut ranges = Vec::new();
    loop {
        let (&a, after) = rest.split_first()?;
        rest = after;
        let mut b = a;
        if let [b'-', end, after @ ..] = rest
            && *end != b']'
        {
            b = *end;
            rest = after;
        }
        ranges.push((a, b));
        if rest.first() == Some(&b']') {
            return Some((Class { inverted, ranges }, &rest[1..]));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

impl Comparison {
    fn of<T: Ord>(self, left: T, right: T) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
            Comparison::Unequal => left != right,
        }
    }
}

/// A condition on an attribute, such as `speed>slow` or `module!=iio`.
///
/// A case that does not have the attribute is judged by its suite's, and where
/// neither has it, by the default (`normal`, no module, `false`).
///
/// ```
/// use lastfd_kunit::AttributeFilter;
/// assert!("speed>=slow".parse::<AttributeFilter>().is_ok());
/// let error = "sped>slow".parse::<AttributeFilter>().unwrap_err();
/// assert!(error.to_string().contains("there is no attribute `sped`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFilter {
    comparison: Comparison,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// None is `unset`, which is slower than all.
    Speed(Option<Speed>),
    Module(String),
    IsInit(bool),
}

impl FromStr for AttributeFilter {
    type Err = FilterError;

    /// kunit_next_attr_filter, and the attributes' own filters.
    fn from_str(text: &str) -> Result<AttributeFilter, FilterError> {
        let filter = text.trim();
        let no_operation = || FilterError::NoOperation {
            filter: filter.to_owned(),
        };
        let at = filter.find(['<', '>', '!', '=']).ok_or_else(no_operation)?;
        let (name, rest) = filter.split_at(at);
        let operations = [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("!=", Comparison::Unequal),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
            ("=", Comparison::Equal),
        ];
        let found = operations
            .iter()
            .find_map(|(sign, what)| Some((*what, rest.strip_prefix(sign)?)));
        let (comparison, value) = found.ok_or_else(no_operation)?;
        let no_value = |name, expected| FilterError::NoValue {
            filter: filter.to_owned(),
            name,
            value: value.to_owned(),
            expected,
        };
        let value = match name.trim() {
            "speed" => Value::Speed(match value {
                "unset" => None,
                "very_slow" => Some(Speed::VerySlow),
                "slow" => Some(Speed::Slow),
                "normal" => Some(Speed::Normal),
                _ => return Err(no_value("speed", "unset, very_slow, slow or normal")),
            }),
            "module" => {
                if !matches!(comparison, Comparison::Equal | Comparison::Unequal) {
                    return Err(FilterError::NotOrdered {
                        filter: filter.to_owned(),
                        name: "module",
                    });
                }
                Value::Module(value.to_owned())
            }
            "is_init" => match value.parse() {
                Ok(value) => Value::IsInit(value),
                Err(_) => return Err(no_value("is_init", "true or false")),
            },
            "" => return Err(no_operation()),
            name => {
                return Err(FilterError::NoAttribute {
                    filter: filter.to_owned(),
                    name: name.to_owned(),
                });
            }
        };
        Ok(AttributeFilter { comparison, value })
    }
}

impl AttributeFilter {
    /// kunit_filter_attr_tests, for one case.
    fn keeps(&self, suite: &Suite, case: &Case) -> bool {
        match &self.value {
            Value::Speed(wanted) => {
                let speed = case.speed.or(suite.speed).unwrap_or(Speed::Normal);
                self.comparison.of(Some(speed), *wanted)
            }
            Value::Module(wanted) => self.comparison.of(&suite.module, wanted),
            Value::IsInit(wanted) => self.comparison.of(suite.is_init, *wanted),
        }
    }
}

/// What becomes of the cases that attribute filters leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterAction {
    /// They are not there.
    #[default]
    Remove,
    /// They are shown as skipped (`filter_action=skip`).
    Skip,
}

/// Which of the cases to run (`kunit_filter_suites`).
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Names to run; all, if there is none. A case that one of them names runs.
    pub globs: Vec<Glob>,
    /// Conditions, all of which have to hold.
    pub attributes: Vec<AttributeFilter>,
    /// What becomes of the cases for which they do not.
    pub action: FilterAction,
}

impl Filter {
    /// Only this case.
    pub fn one(suite: &str, case: &str) -> Filter {
        // What a glob gives a meaning is to mean itself.
        let literal = |name: &str| {
            let special = |c| matches!(c, '*' | '?' | '[' | '\\');
            let with_escape = |c| special(c).then_some('\\').into_iter().chain([c]);
            name.chars().flat_map(with_escape).collect()
        };
        Filter {
            globs: vec![Glob {
                suite: literal(suite),
                case: Some(literal(case)),
            }],
            ..Filter::default()
        }
    }

    /// Reads conditions separated by commas.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn parse_attributes(text: &str) -> Result<Vec<AttributeFilter>, FilterError> {
        let filters = text.split(',').filter(|part| !part.trim().is_empty());
        filters.map(str::parse).collect()
    }

    /// The suites with the cases that are left; suites without any are left
    /// out.
    pub fn apply(&self, suites: &[Suite]) -> Vec<Suite> {
        let filtered = suites.iter().map(|suite| self.suite(suite));
        filtered.filter(|suite| !suite.cases.is_empty()).collect()
    }

    fn suite(&self, suite: &Suite) -> Suite {
        let mut filtered = suite.clone();
        filtered.cases.clear();
        for case in &suite.cases {
            let named = |glob: &Glob| glob.matches(&suite.name, &case.name);
            if !self.globs.is_empty() && !self.globs.iter().any(named) {
                continue;
            }
            let kept = self.attributes.iter().all(|a| a.keeps(suite, case));
            if kept || self.action == FilterAction::Skip {
                let mut case = case.clone();
                case.skipped |= !kept;
                filtered.cases.push(case);
            }
        }
        filtered
    }
}

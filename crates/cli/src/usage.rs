//! What is wrong with a command line, in one line.

use std::error::Error as _;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The error in one line, without usage and advice.
pub(crate) fn line(error: &Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    // A value that one of our own parsers refused: it says itself what would be right.
    if let Some(source) = error.source()
        && let Some(argument) = context(ContextKind::InvalidArg)
        && let Some(value) = context(ContextKind::InvalidValue)
    {
        let argument = argument.split(' ').next().unwrap_or(argument);
        return format!("{argument} {value}: {source}");
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let parts = text
        .split("\n\n")
        .take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let one_line = |part: &str| {
        // That a word could also be meant for a program is seldom what is wrong.
        let lines = part.lines().filter(|line| !line.contains("tip: to pass"));
        let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        words.join(" ")
    };
    let mut parts: Vec<String> = parts
        .map(one_line)
        .filter(|part| !part.is_empty())
        .collect();
    if error.kind() == ErrorKind::UnknownArgument
        && context(ContextKind::InvalidArg).is_some_and(|argument| !argument.starts_with('-'))
    {
        parts.push("a program goes after `--`".to_owned());
    }
    parts.join("; ")
}

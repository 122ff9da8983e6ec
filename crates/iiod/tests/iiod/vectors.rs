//! The recorded vectors, read.

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read(path: &str) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a stock client printed.
pub(crate) fn stdout(client: &str) -> Vec<u8> {
    let path = folder().join(format!("clients/{client}.stdout"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The client's command line, without the `-u URI`.
pub(crate) fn command(client: &str) -> Vec<String> {
    let line = read(&format!("clients/{client}.cmd"));
    let mut words = line.trim_start_matches('#').split_whitespace();
    let mut command = Vec::new();
    while let Some(word) = words.next() {
        if word == "-u" {
            words.next();
        } else {
            command.push(word.to_owned());
        }
    }
    command
}

/// One thing that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The client's bytes.
    Sent(Vec<u8>),
    /// The server's bytes.
    Got(Vec<u8>),
    /// The server's bytes, whatever they are.
    GotAny,
    /// The server closed.
    ServerClosed,
    /// The client closed.
    ClientClosed,
}

/// The raw sessions: a number, and what happened.
pub(crate) fn raw_sessions() -> Vec<(u32, Vec<Step>)> {
    let mut sessions: Vec<(u32, Vec<Step>)> = Vec::new();
    for line in read("raw-sessions.txt").lines() {
        let (number, rest) = line.split_once(' ').expect("a number");
        let number = number.parse().expect("a number");
        let (direction, rest) = rest.split_once(' ').expect("a direction");
        if sessions.last().is_none_or(|(last, _)| *last != number) {
            sessions.push((number, Vec::new()));
        }
        let steps = &mut sessions.last_mut().expect("a session").1;
        if rest.starts_with('(') {
            steps.push(Step::GotAny);
            continue;
        }
        let (bytes, tail) = literal(rest);
        match direction {
            ">" => steps.push(Step::Sent(bytes)),
            _ if bytes.is_empty() => {}
            _ => steps.push(Step::Got(bytes)),
        }
        if tail.trim() == "EOF" {
            steps.push(Step::ServerClosed);
        }
    }
    sessions
}

/// What happened on the connections of a client's run, in order. Server bytes that came in
/// pieces are one.
pub(crate) fn wire(client: &str) -> Vec<(u32, Step)> {
    let mut steps: Vec<(u32, Step)> = Vec::new();
    for line in read(&format!("clients/{client}.wire")).lines() {
        let (connection, rest) = line[1..].split_once("] ").expect("a connection");
        let connection = connection.parse().expect("a number");
        let (direction, rest) = rest.split_once(' ').expect("a direction");
        let rest = rest.trim_start();
        let step = match (direction, rest) {
            ("--", _) => continue,
            ("C>S", "EOF") => Step::ClientClosed,
            ("S>C", "EOF") => Step::ServerClosed,
            ("S>C", rest) if rest.starts_with("RST") => continue,
            (direction, rest) => {
                let (length, bytes) = rest.split_once(' ').expect("a length");
                let bytes = unescape(bytes);
                assert_eq!(length.parse(), Ok(bytes.len()), "{line}");
                match direction {
                    "C>S" => Step::Sent(bytes),
                    _ => Step::Got(bytes),
                }
            }
        };
        match (steps.last_mut(), step) {
            (Some((last, Step::Got(so_far))), Step::Got(more)) if *last == connection => {
                so_far.extend(more);
            }
            (_, step) => steps.push((connection, step)),
        }
    }
    steps
}

/// A Python bytes literal, and what comes after it.
fn literal(text: &str) -> (Vec<u8>, &str) {
    let text = text.strip_prefix('b').expect("a bytes literal");
    let quote = text.chars().next().expect("a quote");
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let end = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        end
    });
    let end = end.expect("a closing quote") + 1;
    (unescape(&text[1..end]), &text[end + 1..])
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut letters = text.bytes();
    while let Some(letter) = letters.next() {
        bytes.push(match letter {
            b'\\' => match letters.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'x') => {
                    let digits: String = letters.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).expect("two digits")
                }
                Some(other) => other,
                None => panic!("a backslash at the end of {text:?}"),
            },
            letter => letter,
        });
    }
    bytes
}

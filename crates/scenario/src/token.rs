//! Cuts a line into words, strings and signs.

/// Where a token stands in its line, in characters from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Letters, digits and `_ : . / | -`.
    Word(String),
    /// A quoted string, its escapes resolved.
    Text(String),
    /// `=`.
    Equals,
    /// `>` at the start of a step.
    Step,
}

impl Token {
    /// How a message calls it.
    pub(crate) fn found(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Text(text) => format!("the string \"{}\"", text.escape_debug()),
            Token::Equals => "`=`".to_owned(),
            Token::Step => "`>`".to_owned(),
        }
    }
}

pub(crate) struct LexError {
    pub(crate) span: Span,
    pub(crate) message: String,
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '/' | '|' | '-')
}

/// The tokens of one line; a `#` outside quotes starts a comment.
pub(crate) fn tokens(line: &str) -> Result<Vec<(Token, Span)>, LexError> {
    let chars: Vec<char> = line.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        at += 1;
        let token = match c {
            ' ' | '\t' | '\r' => continue,
            '#' => break,
            '=' => Token::Equals,
            '>' => Token::Step,
            '"' => Token::Text(quoted(&chars, &mut at)?),
            c if in_word(c) => {
                while chars.get(at).copied().is_some_and(in_word) {
                    at += 1;
                }
                Token::Word(chars[start..at].iter().collect())
            }
            c => {
                return Err(LexError {
                    span: Span { start, end: at },
                    message: format!(
                        "expected a word, a quoted string or `=`, found `{}`",
                        c.escape_debug()
                    ),
                });
            }
        };
        tokens.push((token, Span { start, end: at }));
    }
    Ok(tokens)
}

/// The rest of a string whose opening quote was read.
fn quoted(chars: &[char], at: &mut usize) -> Result<String, LexError> {
    let opening = *at - 1;
    let mut text = String::new();
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        match c {
            '"' => return Ok(text),
            '\\' => {
                let escaped = chars.get(*at).copied();
                *at += 1;
                text.push(match escaped {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('"') => '"',
                    Some('\\') => '\\',
                    _ => {
                        return Err(LexError {
                            span: Span {
                                start: *at - 2,
                                end: (*at).min(chars.len()),
                            },
                            message: "expected `\\n`, `\\t`, `\\\"` or `\\\\`".to_owned(),
                        });
                    }
                });
            }
            c => text.push(c),
        }
    }
    Err(LexError {
        span: Span {
            start: opening,
            end: chars.len(),
        },
        message: "expected a closing `\"` before the end of the line".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Token> {
        tokens(line)
            .ok()
            .unwrap()
            .into_iter()
            .map(|(t, _)| t)
            .collect()
    }

    #[test]
    fn a_line_is_words_strings_and_signs() {
        assert_eq!(
            words("> f = open \"/dev/a b\\n\" O_RDONLY|O_NONBLOCK # held"),
            vec![
                Token::Step,
                Token::Word("f".into()),
                Token::Equals,
                Token::Word("open".into()),
                Token::Text("/dev/a b\n".into()),
                Token::Word("O_RDONLY|O_NONBLOCK".into()),
            ]
        );
    }

    #[test]
    fn an_open_string_is_a_fault_at_its_quote() {
        let error = tokens("print \"abc").err().unwrap();
        assert_eq!(error.span, Span { start: 6, end: 10 });
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let tokens = tokens("note \"é\" x").ok().unwrap();
        assert_eq!(tokens[2].1, Span { start: 9, end: 10 });
    }
}

//! The shape of a scenario: its lines cut into statements and bodies, and the names
//! they define.

use std::collections::BTreeMap;

use crate::ast::{Form, Name, NameId, Runner};
use crate::error::{ParseError, closest};
use crate::language::{Kind, Param, Returns, STATEMENTS, Statement};
use crate::token::{Span, Token, tokens};

/// Names longer than this are refused, so that every interpreter of the language
/// can keep them in fixed fields.
pub const LONGEST_NAME: usize = 31;

/// Buses that are there from the start.
pub(crate) const PLATFORM: NameId = NameId(0);
pub(crate) const KUNIT: NameId = NameId(1);

/// Words that mean something where a name could stand.
const RESERVED: &[&str] = &["self", "NULL", "any", "none", "auto", "end", "do", "try"];

/// A text and its name.
pub(crate) struct Source<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Source<'a> {
        Source {
            file,
            lines: text.lines().collect(),
        }
    }

    /// A line, counted from 1.
    pub(crate) fn place(&'a self, line: usize) -> Place<'a> {
        Place { source: self, line }
    }
}

/// One line of a text, for messages about it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    source: &'a Source<'a>,
    /// From 1.
    pub(crate) line: usize,
}

impl<'a> Place<'a> {
    fn text(self) -> &'a str {
        let line = self.source.lines.get(self.line - 1);
        line.copied().unwrap_or_default()
    }

    pub(crate) fn fault(self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError {
            file: self.source.file.to_owned(),
            line: self.line,
            column: span.start + 1,
            width: span.end.saturating_sub(span.start),
            // A terminal must not obey what it shows.
            source: self
                .text()
                .chars()
                .map(|c| {
                    if c.is_control() && c != '\t' {
                        '\u{fffd}'
                    } else {
                        c
                    }
                })
                .collect(),
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn fault_with_hint(
        self,
        span: Span,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> ParseError {
        ParseError {
            hint,
            ..self.fault(span, message)
        }
    }

    /// Just past the end of the line.
    pub(crate) fn end(self) -> Span {
        let end = self.text().trim_end().chars().count();
        Span {
            start: end,
            end: end + 1,
        }
    }
}

/// A name and where it was defined.
pub(crate) struct Defined {
    pub(crate) name: Name,
    /// Its line; 0 for what is there from the start.
    pub(crate) line: usize,
    /// Defined inside a body, so at some time that the text does not tell.
    pub(crate) in_body: bool,
}

/// A statement whose operands are not read yet.
pub(crate) struct Raw {
    pub(crate) line: usize,
    pub(crate) body: Option<NameId>,
    pub(crate) form: Form,
    pub(crate) form_span: Span,
    pub(crate) result: Option<NameId>,
    pub(crate) statement: &'static Statement,
    pub(crate) word_span: Span,
    pub(crate) operands: Vec<(Token, Span)>,
    pub(crate) text: String,
}

/// A scenario whose operands are not read yet.
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) runner: Runner,
    pub(crate) names: Vec<Defined>,
    pub(crate) index: BTreeMap<String, NameId>,
    pub(crate) raw: Vec<Raw>,
}

impl Shape {
    pub(crate) fn read(source: &Source<'_>) -> Result<Shape, ParseError> {
        let mut shape = Shape {
            name: String::new(),
            runner: Runner::Plain,
            names: Vec::new(),
            index: BTreeMap::new(),
            raw: Vec::new(),
        };
        for bus in ["platform", "kunit"] {
            shape.add(bus, Kind::Bus, 0, false);
        }
        let mut body: Option<(NameId, usize, Span)> = None;
        for (at, text) in source.lines.iter().enumerate() {
            let place = Place {
                source,
                line: at + 1,
            };
            let line = tokens(text).map_err(|e| place.fault(e.span, e.message))?;
            let Some((first, span)) = line.first().cloned() else {
                continue;
            };
            let word = match &first {
                Token::Word(word) => word.as_str(),
                _ => "",
            };
            if shape.name.is_empty() {
                shape.name = header(place, &line, "scenario")?.ok_or_else(|| {
                    place.fault(
                        span,
                        format!("expected `scenario NAME` first, found {}", first.found()),
                    )
                })?;
                continue;
            }
            if word == "kunit_case" && line.get(1).is_none_or(|t| t.0 != Token::Equals) {
                if !shape.raw.is_empty() || body.is_some() || shape.runner != Runner::Plain {
                    return Err(place.fault(
                        span,
                        "expected `kunit_case NAME` once, right after `scenario NAME`",
                    ));
                }
                if let Some(case) = header(place, &line, "kunit_case")? {
                    shape.runner = Runner::KunitCase(case);
                }
                continue;
            }
            if word == "end" && line.len() == 1 {
                if body.take().is_none() {
                    return Err(place.fault(span, "expected a statement; no body is open here"));
                }
                continue;
            }
            if let Some(kind) = body_kind(word)
                && line.get(1).is_none_or(|t| t.0 != Token::Equals)
            {
                if let Some((open, line, _)) = body {
                    return Err(place.fault(
                        span,
                        format!(
                            "expected `end` of the body `{}` of line {line} before another body",
                            shape.names[open.0 as usize].name.text
                        ),
                    ));
                }
                let name = header(place, &line, word)?.unwrap_or_default();
                let span = line[1].1;
                let id = shape.define(place, span, &name, kind, None)?;
                body = Some((id, place.line, span));
                continue;
            }
            let raw = shape.statement(place, line, body.map(|b| b.0))?;
            shape.raw.push(raw);
        }
        if let Some((_, line, span)) = body {
            let place = Place { source, line };
            return Err(place.fault(span, "expected `end` after this body"));
        }
        if shape.name.is_empty() {
            let place = Place {
                source,
                line: source.lines.len().max(1),
            };
            return Err(place.fault(place.end(), "expected `scenario NAME`, found nothing"));
        }
        Ok(shape)
    }

    fn statement(
        &mut self,
        place: Place<'_>,
        line: Vec<(Token, Span)>,
        body: Option<NameId>,
    ) -> Result<Raw, ParseError> {
        let mut rest = line.into_iter().peekable();
        let mut form = Form::Quiet;
        let mut form_span = Span { start: 0, end: 0 };
        if let Some((token, span)) = rest.peek().cloned() {
            let prefix = match &token {
                Token::Step => Some(Form::Step),
                Token::Word(w) if w == "do" => Some(Form::Do),
                Token::Word(w) if w == "try" => Some(Form::Try),
                _ => None,
            };
            if let Some(prefix) = prefix {
                form = prefix;
                form_span = span;
                rest.next();
            }
        }
        let rest: Vec<_> = rest.collect();
        let named = matches!(rest.get(1), Some((Token::Equals, _)));
        let result = if named { rest.first().cloned() } else { None };
        let mut rest = rest.into_iter().skip(if named { 2 } else { 0 });
        let (statement, word_span) = match rest.next() {
            Some((Token::Word(word), span)) => match Statement::find(&word) {
                Some(statement) => (statement, span),
                None => {
                    let known = STATEMENTS.iter().map(|s| s.word);
                    let other = [
                        "scenario",
                        "kunit_case",
                        "probe",
                        "remove",
                        "action",
                        "each",
                        "hook",
                        "end",
                    ];
                    let near = closest(&word, known.chain(other));
                    return Err(place.fault_with_hint(
                        span,
                        format!("expected a statement, found `{word}`"),
                        near.map(|w| format!("did you mean `{w}`?")),
                    ));
                }
            },
            Some((token, span)) => {
                return Err(place.fault(
                    span,
                    format!("expected a statement, found {}", token.found()),
                ));
            }
            None => return Err(place.fault(place.end(), "expected a statement")),
        };
        let operands: Vec<_> = rest.collect();
        let result = match result {
            None => None,
            Some((Token::Word(name), span)) => {
                let kind = match statement.returns {
                    Returns::Int => Kind::Number,
                    Returns::Pointer(Some(kind)) => kind,
                    _ => {
                        return Err(place.fault(
                            span,
                            format!("`{}` returns nothing that could be named", statement.word),
                        ));
                    }
                };
                Some(self.define(place, span, &name, kind, body)?)
            }
            Some((token, span)) => {
                return Err(place.fault(span, format!("expected a name, found {}", token.found())));
            }
        };
        if let Some(Param::New(kind)) = statement.params.first() {
            match operands.first() {
                Some((Token::Word(name), span)) => {
                    self.define(place, *span, name, *kind, body)?;
                }
                Some((token, span)) => {
                    return Err(place.fault(
                        *span,
                        format!(
                            "expected {}, found {}",
                            statement.params[0].expects(),
                            token.found()
                        ),
                    ));
                }
                None => {
                    return Err(place.fault(
                        place.end(),
                        format!("expected {}", statement.params[0].expects()),
                    ));
                }
            }
        }
        let text = call_text(statement, &operands);
        Ok(Raw {
            line: place.line,
            body,
            form,
            form_span,
            result,
            statement,
            word_span,
            operands,
            text,
        })
    }

    fn add(&mut self, text: &str, kind: Kind, line: usize, in_body: bool) -> NameId {
        let id = NameId(self.names.len() as u32);
        let name = Name {
            text: text.to_owned(),
            kind,
        };
        self.names.push(Defined {
            name,
            line,
            in_body,
        });
        self.index.insert(text.to_owned(), id);
        id
    }

    fn define(
        &mut self,
        place: Place<'_>,
        span: Span,
        text: &str,
        kind: Kind,
        body: Option<NameId>,
    ) -> Result<NameId, ParseError> {
        name_is_well_formed(place, span, text)?;
        if let Some(&id) = self.index.get(text) {
            let before = &self.names[id.0 as usize];
            if kind == Kind::Number && before.name.kind == Kind::Number {
                return Ok(id);
            }
            let place_before = match before.line {
                0 => "is there from the start".to_owned(),
                line => format!("is defined on line {line}"),
            };
            return Err(place.fault(
                span,
                format!(
                    "expected a new name for {kind}, but `{text}` ({}) {place_before}",
                    before.name.kind
                ),
            ));
        }
        Ok(self.add(text, kind, place.line, body.is_some()))
    }
}

/// The kind of body that a word opens.
fn body_kind(word: &str) -> Option<Kind> {
    Some(match word {
        "probe" => Kind::Probe,
        "remove" => Kind::Remove,
        "action" => Kind::Action,
        "each" => Kind::Each,
        "hook" => Kind::Hook,
        _ => return None,
    })
}

/// `word NAME`: the name, or nothing if the line starts with something else.
fn header(
    place: Place<'_>,
    line: &[(Token, Span)],
    word: &str,
) -> Result<Option<String>, ParseError> {
    match line.first() {
        Some((Token::Word(first), _)) if first == word => {}
        _ => return Ok(None),
    }
    let name = match line.get(1) {
        Some((Token::Word(name), span)) => {
            name_is_well_formed(place, *span, name)?;
            name.clone()
        }
        Some((token, span)) => {
            return Err(place.fault(
                *span,
                format!("expected a name after `{word}`, found {}", token.found()),
            ));
        }
        None => {
            return Err(place.fault(place.end(), format!("expected a name after `{word}`")));
        }
    };
    if let Some((token, span)) = line.get(2) {
        return Err(place.fault(
            *span,
            format!("expected the end of the line, found {}", token.found()),
        ));
    }
    Ok(Some(name))
}

fn name_is_well_formed(place: Place<'_>, span: Span, name: &str) -> Result<(), ParseError> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(place.fault(
            span,
            format!("expected a name of letters, digits and `_`, found `{name}`"),
        ));
    }
    if RESERVED.contains(&name) {
        return Err(place.fault(
            span,
            format!("expected a name, but `{name}` has a meaning of its own"),
        ));
    }
    if name.len() > LONGEST_NAME {
        return Err(place.fault(
            span,
            format!("expected a name of at most {LONGEST_NAME} letters"),
        ));
    }
    Ok(())
}

/// The statement as the C call it stands for might read.
fn call_text(statement: &Statement, operands: &[(Token, Span)]) -> String {
    let mut text = format!("{}(", statement.word);
    let mut after_equals = true;
    for (token, _) in operands {
        if *token == Token::Equals {
            text.push('=');
            after_equals = true;
            continue;
        }
        if !after_equals {
            text.push_str(", ");
        }
        after_equals = false;
        match token {
            Token::Word(word) => text.push_str(word),
            Token::Text(string) => text.push_str(&format!("\"{}\"", string.escape_debug())),
            Token::Equals | Token::Step => {}
        }
    }
    text.push(')');
    text
}

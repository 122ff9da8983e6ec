//! Strings with placeholders: `{rc}`, `{pdev.ref}`.

use crate::ast::{Arg, Piece};
use crate::error::ParseError;
use crate::language::{Kind, Param, Property, listed};
use crate::operand::Operands;
use crate::token::Span;

impl Operands<'_> {
    /// A string cut at its placeholders.
    pub(crate) fn pieces(&self, text: &str, span: Span) -> Result<Vec<Piece>, ParseError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let sign = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(sign) {
                plain.push_str(sign);
                rest = after;
                continue;
            }
            let Some((inside, after)) = rest.split_once('}').filter(|_| sign == "{") else {
                return Err(self.place.fault(
                    span,
                    "expected a placeholder such as `{pdev.ref}`; write `{{` and `}}` for braces",
                ));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(self.placeholder(inside, span)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(pieces)
    }

    fn placeholder(&self, inside: &str, span: Span) -> Result<Piece, ParseError> {
        if inside == "fail_nth" {
            return Ok(Piece::FailNth);
        }
        let (word, property) = match inside.split_once('.') {
            None => {
                let param = Param::Named(Kind::Number);
                return match self.named(param, inside, span, |k| k == Kind::Number)? {
                    Arg::Name(id) => Ok(Piece::Number(id)),
                    _ => Err(self.place.fault(span, "expected the name of a number")),
                };
            }
            Some(parts) => parts,
        };
        let (name, kind) = if word == "self" {
            self.self_device(span)?;
            (None, Kind::Device)
        } else {
            let has_properties = |k: Kind| !k.properties().is_empty();
            match self.named(Param::AnyDevice, word, span, has_properties)? {
                Arg::Name(id) => (Some(id), self.names[id.0 as usize].name.kind),
                _ => return Err(self.place.fault(span, "expected the name of a device")),
            }
        };
        let known = kind.properties();
        match known.iter().find(|p| p.word() == property) {
            Some(property) => Ok(Piece::Property(name, *property)),
            None => {
                let words: Vec<&str> = known.iter().map(|p: &Property| p.word()).collect();
                Err(self.place.fault_with_hint(
                    span,
                    format!("expected a property of {kind}, found `{property}`"),
                    Some(format!("{kind} has {}", listed(&words))),
                ))
            }
        }
    }
}

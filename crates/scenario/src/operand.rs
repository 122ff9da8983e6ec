//! Reads the operands of one statement, each as its place in the table wants it.

use std::collections::BTreeMap;

use lastfd_model::Errno;

use crate::ast::{ActionFn, Arg, NameId, ReleaseFn};
use crate::error::{ParseError, closest};
use crate::language::{Kind, Op, Param, Statement, listed};
use crate::shape::{Defined, KUNIT, PLATFORM, Place};
use crate::token::{Span, Token};

/// Open flags by name: as `include/uapi/asm-generic/fcntl.h` numbers them.
const OPEN_FLAGS: &[(&str, u32)] = &[
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_NONBLOCK", 0o4000),
    ("O_CLOEXEC", 0o2_000_000),
];

/// Flags of device links by name: as `include/linux/device.h` numbers them.
const LINK_FLAGS: &[(&str, u32)] = &[
    ("DL_FLAG_STATELESS", 1 << 0),
    ("DL_FLAG_AUTOREMOVE_CONSUMER", 1 << 1),
    ("DL_FLAG_PM_RUNTIME", 1 << 2),
    ("DL_FLAG_AUTOREMOVE_SUPPLIER", 1 << 4),
    ("DL_FLAG_AUTOPROBE_CONSUMER", 1 << 5),
    ("DL_FLAG_SYNC_STATE_ONLY", 1 << 7),
];

const BUILT_IN_ACTIONS: &[&str] = &[
    "act",
    "act_b",
    "act_state",
    "act_put",
    "act_unregister",
    "dact",
    "kact",
];

/// Ioctls by name, as the headers number them.
const IOCTLS: &[(&str, u32)] = &[
    ("DRM_IOCTL_VERSION", 0xc040_6400),
    ("DRM_IOCTL_SET_MASTER", 0x641e),
    ("DRM_IOCTL_DROP_MASTER", 0x641f),
    ("DRM_COMMAND_BASE", 0x6440),
    ("VIDIOC_LOG_STATUS", 0x5646),
    ("CEC_ADAP_G_CAPS", 0xc04c_6100),
];

/// The operands of one statement, and what they may speak of.
pub(crate) struct Operands<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) names: &'a [Defined],
    pub(crate) index: &'a BTreeMap<String, NameId>,
    pub(crate) body: Option<NameId>,
    /// The scenario is the body of a KUnit case.
    pub(crate) kunit_case: bool,
}

impl Operands<'_> {
    fn body_kind(&self) -> Option<Kind> {
        self.body.map(|id| self.names[id.0 as usize].name.kind)
    }

    /// Whether the statement may stand where it stands.
    pub(crate) fn statement_is_allowed(
        &self,
        statement: &Statement,
        span: Span,
    ) -> Result<(), ParseError> {
        match statement.op {
            Op::Return | Op::ReturnNth => self.body_returns(span, &format!("`{}`", statement.word)),
            Op::KthreadRead | Op::WaitForCompletionTimeout | Op::Settle | Op::Msleep
                if self.body.is_some() =>
            {
                Err(self.place.fault(
                    span,
                    format!(
                        "expected `{}` outside bodies only: it waits",
                        statement.word
                    ),
                ))
            }
            _ if statement.word.starts_with("kunit_") && !self.kunit_case => {
                Err(self.place.fault_with_hint(
                    span,
                    format!("expected `{}` in a KUnit case only", statement.word),
                    Some("write `kunit_case NAME` after `scenario NAME`".to_owned()),
                ))
            }
            _ => Ok(()),
        }
    }

    /// An error unless the body around returns an int.
    pub(crate) fn body_returns(&self, span: Span, what: &str) -> Result<(), ParseError> {
        match self.body_kind() {
            Some(Kind::Probe | Kind::Each | Kind::Hook) => Ok(()),
            Some(kind) => Err(self.place.fault(
                span,
                format!(
                    "expected {what} in a probe, each or hook body only: {kind} returns nothing"
                ),
            )),
            None => Err(self.place.fault(
                span,
                format!("expected {what} in a probe, each or hook body only"),
            )),
        }
    }

    /// All operands of a statement.
    pub(crate) fn read(
        &self,
        statement: &Statement,
        tokens: &[(Token, Span)],
    ) -> Result<(Vec<Arg>, Vec<Option<Arg>>), ParseError> {
        let mut rest = tokens;
        let mut args = Vec::new();
        for param in statement.params {
            let Some(((token, span), after)) = rest.split_first() else {
                return Err(self.missing(statement, *param));
            };
            if let Some((Token::Equals, _)) = after.first() {
                return Err(self.missing_before(statement, *param, *span));
            }
            rest = after;
            let operand = self.operand(*param, token, *span, &args)?;
            if matches!(statement.op, Op::BusRegister | Op::BusUnregister) {
                self.own_bus(&operand, *span)?;
            }
            args.push(operand);
        }
        let mut keywords = vec![None; statement.keywords.len()];
        while let Some(((token, span), after)) = rest.split_first() {
            let Token::Word(key) = token else {
                return Err(self.not_the_end(statement, token, *span));
            };
            let Some((Token::Equals, _)) = after.first() else {
                return Err(self.not_the_end(statement, token, *span));
            };
            let Some(at) = statement.keywords.iter().position(|k| k.key == key) else {
                return Err(self.unknown_keyword(statement, key, *span));
            };
            let keyword = statement.keywords[at];
            let Some(((token, value), after)) = after[1..].split_first() else {
                return Err(self.place.fault(
                    self.place.end(),
                    format!("expected {} after `{key}=`", keyword.value.expects()),
                ));
            };
            if keywords[at].is_some() {
                return Err(self.place.fault(*span, format!("expected `{key}=` once")));
            }
            let operand = self.operand(keyword.value, token, *value, &args)?;
            if keyword.key == "bus" {
                self.own_bus(&operand, *value)?;
            }
            keywords[at] = Some(operand);
            rest = after;
        }
        for (keyword, value) in statement.keywords.iter().zip(&keywords) {
            if keyword.required && value.is_none() {
                return Err(self.place.fault(
                    self.place.end(),
                    format!(
                        "expected `{}=` and {}",
                        keyword.key,
                        keyword.value.expects()
                    ),
                ));
            }
        }
        Ok((args, keywords))
    }

    /// An error if the bus is one of the kernel's: its devices and drivers are of
    /// types of their own.
    fn own_bus(&self, operand: &Arg, span: Span) -> Result<(), ParseError> {
        let hint = match operand {
            Arg::Name(id) if *id == PLATFORM => "see `platform_device` and `platform_driver`",
            Arg::Name(id) if *id == KUNIT => {
                "see `kunit_device_register` and `kunit_driver_create`"
            }
            _ => return Ok(()),
        };
        Err(self.place.fault_with_hint(
            span,
            "expected a bus of the scenario's own, declared with `bus`",
            Some(hint.to_owned()),
        ))
    }

    fn missing(&self, statement: &Statement, param: Param) -> ParseError {
        self.place.fault_with_hint(
            self.place.end(),
            format!("expected {}", param.expects()),
            Some(usage(statement)),
        )
    }

    fn missing_before(&self, statement: &Statement, param: Param, span: Span) -> ParseError {
        self.place.fault_with_hint(
            span,
            format!("expected {} before the keyword operands", param.expects()),
            Some(usage(statement)),
        )
    }

    fn not_the_end(&self, statement: &Statement, token: &Token, span: Span) -> ParseError {
        let what = if statement.keywords.is_empty() {
            "the end of the line"
        } else {
            "`key=value` or the end of the line"
        };
        self.place.fault_with_hint(
            span,
            format!("expected {what}, found {}", token.found()),
            Some(usage(statement)),
        )
    }

    fn unknown_keyword(&self, statement: &Statement, key: &str, span: Span) -> ParseError {
        let known: Vec<&str> = statement.keywords.iter().map(|k| k.key).collect();
        if known.is_empty() {
            return self.place.fault_with_hint(
                span,
                format!("expected the end of the line, found `{key}=`"),
                Some(usage(statement)),
            );
        }
        self.place.fault_with_hint(
            span,
            format!("expected one of {}, found `{key}=`", listed(&known)),
            closest(key, known).map(|k| format!("did you mean `{k}=`?")),
        )
    }

    fn wrong(&self, param: Param, token: &Token, span: Span) -> ParseError {
        self.place.fault(
            span,
            format!("expected {}, found {}", param.expects(), token.found()),
        )
    }

    fn operand(
        &self,
        param: Param,
        token: &Token,
        span: Span,
        before: &[Arg],
    ) -> Result<Arg, ParseError> {
        let wrong = || self.wrong(param, token, span);
        if let Param::Text(_) = param {
            return match token {
                Token::Text(text) => Ok(Arg::Text(self.pieces(text, span)?)),
                _ => Err(wrong()),
            };
        }
        let Token::Word(word) = token else {
            return Err(wrong());
        };
        match param {
            Param::Text(_) => Err(wrong()),
            Param::New(_) => self
                .index
                .get(word)
                .map(|id| Arg::Name(*id))
                .ok_or_else(wrong),
            Param::Named(kind) => self.named(param, word, span, |k| k == kind),
            Param::AnyDevice if word == "self" => self.self_device(span),
            Param::AnyDevice => self.named(param, word, span, Kind::is_device),
            Param::DeviceOrNull if word == "NULL" => Ok(Arg::Null),
            Param::DeviceOrNull | Param::Counted if word == "self" => self.self_device(span),
            Param::DeviceOrNull => self.named(param, word, span, Kind::is_device),
            Param::Counted => self.named(param, word, span, Kind::is_counted),
            Param::AnyDriver => self.named(param, word, span, Kind::is_driver),
            Param::Word(_) => Ok(Arg::Word(word.clone())),
            Param::OneOf(_, words) => words
                .iter()
                .find(|w| *w == word)
                .map(|w| Arg::Word((*w).to_owned()))
                .ok_or_else(wrong),
            Param::Number(_) => match number(word) {
                Some(n) if n >= 0 => Ok(Arg::Number(n)),
                _ => Err(wrong()),
            },
            Param::Action => self.action(param, word, span),
            Param::ActionData => match before.last() {
                Some(Arg::Action(action)) if action.wants_device() => {
                    self.operand(Param::AnyDevice, token, span, before)
                }
                _ if word == "NULL" => Ok(Arg::Null),
                _ => Ok(Arg::Word(word.clone())),
            },
            Param::Release => match word.as_str() {
                "dr_rel" => Ok(Arg::Release(ReleaseFn::Release)),
                "dr_rel2" => Ok(Arg::Release(ReleaseFn::Release2)),
                _ => Err(wrong()),
            },
            Param::Match if word == "any" => Ok(Arg::Any),
            Param::Match => Ok(Arg::Word(word.clone())),
            Param::GroupId if word == "NULL" => Ok(Arg::Null),
            Param::GroupId => match self.index.get(word) {
                Some(_) => self.named(param, word, span, |k| k == Kind::Group),
                None => Ok(Arg::Word(word.clone())),
            },
            Param::OpenFlags => self.flags("open flags", OPEN_FLAGS, word, span),
            Param::LinkFlags if word == "0" => Ok(Arg::Flags(0)),
            Param::LinkFlags => self.flags("a link's flags", LINK_FLAGS, word, span),
            Param::IoctlNumber => self.ioctl_number(param, word, span),
            Param::PlatformId => match word.as_str() {
                "none" => Ok(Arg::Null),
                "auto" => Ok(Arg::Any),
                _ => match number(word) {
                    Some(n) if (0..=i64::from(i32::MAX)).contains(&n) => Ok(Arg::Number(n)),
                    _ => Err(wrong()),
                },
            },
            Param::Value => self.value(param, word, span),
        }
    }

    fn value(&self, param: Param, word: &str, span: Span) -> Result<Arg, ParseError> {
        if let Some(name) = word.strip_prefix('-').filter(|n| n.starts_with('E')) {
            return match Errno::from_name(name) {
                Some(errno) => Ok(Arg::Number(-i64::from(errno.code()))),
                None => Err(self.place.fault(
                    span,
                    format!("expected an error's name after `-`, found `{name}`"),
                )),
            };
        }
        if let Some(n) = number(word) {
            return match i32::try_from(n) {
                Ok(n) => Ok(Arg::Number(i64::from(n))),
                Err(_) => Err(self.place.fault(span, "expected a number that fits an int")),
            };
        }
        self.named(param, word, span, |k| k == Kind::Number)
    }

    fn action(&self, param: Param, word: &str, span: Span) -> Result<Arg, ParseError> {
        let built_in = match word {
            "act" => ActionFn::Act,
            "act_b" => ActionFn::ActB,
            "act_state" => ActionFn::ActState,
            "act_put" => ActionFn::ActPut,
            "act_unregister" => ActionFn::ActUnregister,
            "kact" => ActionFn::Kact,
            "dact" => ActionFn::Dact,
            _ => match self.named(param, word, span, |k| k == Kind::Action)? {
                Arg::Name(id) => ActionFn::Body(id),
                other => return Ok(other),
            },
        };
        Ok(Arg::Action(built_in))
    }

    fn flags(
        &self,
        what: &str,
        named: &[(&str, u32)],
        word: &str,
        span: Span,
    ) -> Result<Arg, ParseError> {
        let mut flags = 0;
        for part in word.split('|') {
            match named.iter().find(|(name, _)| *name == part) {
                Some((_, bits)) => flags |= bits,
                None => {
                    let known: Vec<&str> = named.iter().map(|f| f.0).collect();
                    return Err(self.place.fault_with_hint(
                        span,
                        format!("expected {what} of {}, found `{part}`", listed(&known)),
                        closest(part, known).map(|f| format!("did you mean `{f}`?")),
                    ));
                }
            }
        }
        Ok(Arg::Flags(flags))
    }

    fn ioctl_number(&self, param: Param, word: &str, span: Span) -> Result<Arg, ParseError> {
        let number = match IOCTLS.iter().find(|(name, _)| *name == word) {
            Some((_, number)) => Some(i64::from(*number)),
            None => number(word).filter(|n| *n >= 0),
        };
        let known = IOCTLS.iter().map(|(name, _)| *name);
        number.map(Arg::Number).ok_or_else(|| {
            self.place.fault_with_hint(
                span,
                format!("expected {}, found `{word}`", param.expects()),
                closest(word, known).map(|name| format!("did you mean `{name}`?")),
            )
        })
    }

    pub(crate) fn self_device(&self, span: Span) -> Result<Arg, ParseError> {
        match self.body_kind() {
            Some(Kind::Probe | Kind::Remove | Kind::Each) => Ok(Arg::SelfDevice),
            Some(kind) => Err(self.place.fault(
                span,
                format!("expected the name of a device: {kind} is not called for one"),
            )),
            None => Err(self.place.fault(
                span,
                "expected the name of a device: `self` is the device of a probe, remove or each body",
            )),
        }
    }

    pub(crate) fn named(
        &self,
        param: Param,
        word: &str,
        span: Span,
        fits: impl Fn(Kind) -> bool,
    ) -> Result<Arg, ParseError> {
        let Some(&id) = self.index.get(word) else {
            let named = self.names.iter().filter(|d| fits(d.name.kind));
            let built_in: &[&str] = match param {
                Param::Action => BUILT_IN_ACTIONS,
                _ => &[],
            };
            let candidates = named
                .map(|d| d.name.text.as_str())
                .chain(built_in.iter().copied());
            let near = match param {
                Param::Value if Errno::from_name(word).is_some() => Some(format!("-{word}")),
                _ => closest(word, candidates).map(str::to_owned),
            };
            return Err(self.place.fault_with_hint(
                span,
                format!("expected {}, but `{word}` is not defined", param.expects()),
                near.map(|w| format!("did you mean `{w}`?")),
            ));
        };
        let defined = &self.names[id.0 as usize];
        if !fits(defined.name.kind) {
            return Err(self.place.fault(
                span,
                format!(
                    "expected {}, but `{word}` is {}",
                    param.expects(),
                    defined.name.kind
                ),
            ));
        }
        let known_by_then = self.body.is_some()
            || defined.in_body
            || defined.name.kind.is_body()
            || defined.line < self.place.line;
        if !known_by_then {
            let when = match defined.line == self.place.line {
                true => "by this line itself".to_owned(),
                false => format!("only on line {}", defined.line),
            };
            return Err(self.place.fault(
                span,
                format!(
                    "expected {}, but `{word}` is defined {when}",
                    param.expects()
                ),
            ));
        }
        Ok(Arg::Name(id))
    }
}

/// How the statement is written, for a hint.
fn usage(statement: &Statement) -> String {
    format!("it is written `{}`", statement.usage())
}

/// A decimal or `0x` number, perhaps with a sign.
fn number(word: &str) -> Option<i64> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            i64::from_str_radix(hex, 16).ok()?
        }
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Some(sign * value)
}

//! Texts in C: strings, and what fills them in.

use super::NoCase;
use super::calls::Emitter;
use super::refused;
use crate::ast::{Arg, Line, NameId, Piece};
use crate::language::{Kind, Property};

/// A C string.
pub(super) fn quoted(text: &str) -> String {
    let mut c = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => c.extend(['\\', char]),
            '\n' => c.push_str("\\n"),
            '\t' => c.push_str("\\t"),
            char => c.push(char),
        }
    }
    c.push('"');
    c
}

impl Emitter<'_> {
    /// A text as `printf` takes it: the format, and `, ARG` for each placeholder.
    pub(super) fn format(&mut self, line: &Line, arg: &Arg) -> Result<String, NoCase> {
        let Arg::Text(pieces) = arg else {
            return Err(refused(line, " without a text"));
        };
        let (mut format, mut args) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Text(plain) => format.push_str(&plain.replace('%', "%%")),
                Piece::Number(id) => {
                    format.push_str("%ld");
                    args.push_str(&format!(", {}", self.name(*id)));
                }
                Piece::Property(id, property) => {
                    let (conversion, arg) = self.property(line, *id, *property)?;
                    format.push_str(conversion);
                    args.push_str(", ");
                    args.push_str(&arg);
                }
                Piece::FailNth => return Err(refused(line, " with {fail_nth}")),
            }
        }
        Ok(format!("{}{args}", quoted(&format)))
    }

    /// A text without placeholders, as a C string.
    pub(super) fn plain(&self, line: &Line, arg: &Arg) -> Result<String, NoCase> {
        match arg {
            Arg::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    let Piece::Text(plain) = piece else {
                        return Err(refused(line, " with a name that is filled in"));
                    };
                    text.push_str(plain);
                }
                Ok(quoted(&text))
            }
            _ => Err(refused(line, " without a text")),
        }
    }

    fn property(
        &mut self,
        line: &Line,
        id: Option<NameId>,
        property: Property,
    ) -> Result<(&'static str, String), NoCase> {
        let kind = id.map(|id| self.kind(id));
        if let (Some(id), Some(Kind::Found | Kind::DeviceLink)) = (id, kind) {
            let found = self.name(id);
            return Ok(match property {
                Property::Found => ("%s", format!("{found}.word ? \"found\" : \"NULL\"")),
                Property::Data => ("%s", format!("{found}.word ?: \"(null)\"")),
                Property::Which => ("%s", format!("{found}.added ? \"new\" : \"existing\"")),
                Property::State => ("%s", format!("link_state(&{found})")),
                Property::There => (
                    "%s",
                    format!("link_there(&{found}) ? \"present\" : \"gone\""),
                ),
                Property::Flags => ("0x%x", format!("link_there(&{found})->flags")),
                Property::Kref => ("%u", format!("kref_read(&link_there(&{found})->kref)")),
                _ => return Err(refused(line, " with this property of a link")),
            });
        }
        if let (Some(id), Property::Info) = (id, property) {
            return Ok(("%s", format!("set_or_null({}->info)", self.name(id))));
        }
        let device = match id {
            Some(id) => self.device_name(id),
            None => "self".to_owned(),
        };
        Ok(match property {
            Property::Tag => ("%s", format!("tag_of({device})")),
            Property::Name => ("%s", format!("dev_name({device})")),
            Property::Parent => ("%s", format!("parent_of({device})")),
            Property::Ref => ("%u", format!("kref_read(&{device}->kobj.kref)")),
            Property::Registered => ("%d", format!("device_is_registered({device})")),
            Property::Sd => ("%d", format!("!!{device}->kobj.sd")),
            Property::Driver => ("%s", format!("driver_of({device}, \"NULL\")")),
            Property::DriverSet => ("%s", format!("set_or_null({device}->driver)")),
            Property::Drvdata => ("%s", format!("set_or_null(dev_get_drvdata({device}))")),
            _ => return Err(refused(line, " with this property")),
        })
    }
}

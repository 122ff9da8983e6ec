//! The compiled form: a scenario as the kernel module in `oracle/kernel` reads it.
//!
//! Names are numbers in it, and every operand says what it is, so that what reads it
//! has nothing to look up and nothing to check but its own limits.

use std::fmt::Write as _;

use crate::ast::{ActionFn, Arg, Form, Line, NameId, Piece, ReleaseFn, Runner, Scenario};
use crate::language::{Kind, Statement};

/// The first line. A reader refuses another one.
const VERSION: &str = "lastfd 1";

impl Scenario {
    /// The scenario in its compiled form, which the kernel module runs.
    ///
    /// Lines of words; a byte that would not be part of one is `%XX`:
    ///
    /// ```text
    /// lastfd 1
    /// scenario NAME
    /// case NAME                          if it is the body of a KUnit case
    /// names N                            then N lines KIND TEXT, numbered from 0
    /// body NAME N                        then N statements; one of these for each body
    /// main N                             then N statements
    /// ```
    ///
    /// A statement is `FORM WORD RESULT TEXT OPERAND.. | KEYWORD..`: FORM is `q`uiet,
    /// `s`tep, `d`o or `t`ry; RESULT a name or `-`; TEXT what its step prints. An
    /// operand is `#NAME`, `@` (self), `wWORD`, `tTEXT` with placeholders as `{NAME}`,
    /// `{NAME.property}`, `{.property}` of self and `{fail_nth}`, `nNUMBER`, `-` (NULL
    /// or none), `*` (any or auto), `aACTION` or `a#BODY`; a keyword that is left out
    /// is `.`.
    pub fn compiled(&self) -> String {
        let mut text = format!("{VERSION}\nscenario {}\n", self.name());
        if let Runner::KunitCase(case) = self.runner() {
            let _ = writeln!(text, "case {case}");
        }
        let _ = writeln!(text, "names {}", self.names().len());
        for name in self.names() {
            let _ = writeln!(text, "{} {}", kind(name.kind), name.text);
        }
        for at in 0..self.names().len() {
            let id = NameId(at as u32);
            if let Some(lines) = self.body(id) {
                let _ = writeln!(text, "body {at} {}", lines.len());
                statements(&mut text, lines);
            }
        }
        let _ = writeln!(text, "main {}", self.lines().len());
        statements(&mut text, self.lines());
        text
    }
}

fn statements(text: &mut String, lines: &[Line]) {
    for line in lines {
        let form = match line.form {
            Form::Quiet => 'q',
            Form::Step => 's',
            Form::Do => 'd',
            Form::Try => 't',
        };
        let _ = write!(text, "{form} {} ", Statement::of(line.op).word);
        match line.result {
            Some(id) => {
                let _ = write!(text, "{} ", id.0);
            }
            None => text.push_str("- "),
        }
        encode(text, &line.text);
        for arg in &line.args {
            text.push(' ');
            operand(text, arg);
        }
        if !line.keywords.is_empty() {
            text.push_str(" |");
        }
        for keyword in &line.keywords {
            text.push(' ');
            match keyword {
                Some(arg) => operand(text, arg),
                None => text.push('.'),
            }
        }
        text.push('\n');
    }
}

fn operand(text: &mut String, arg: &Arg) {
    let _ = match arg {
        Arg::Name(id) => write!(text, "#{}", id.0),
        Arg::SelfDevice => write!(text, "@"),
        Arg::Word(word) => {
            text.push('w');
            encode(text, word);
            Ok(())
        }
        Arg::Text(pieces) => {
            text.push('t');
            pieces.iter().for_each(|p| piece(text, p));
            Ok(())
        }
        Arg::Number(n) => write!(text, "n{n}"),
        Arg::Flags(flags) => write!(text, "n{flags}"),
        Arg::Null => write!(text, "-"),
        Arg::Any => write!(text, "*"),
        Arg::Release(ReleaseFn::Release) => write!(text, "n1"),
        Arg::Release(ReleaseFn::Release2) => write!(text, "n2"),
        Arg::Action(ActionFn::Body(id)) => write!(text, "a#{}", id.0),
        Arg::Action(action) => write!(text, "a{}", built_in(*action)),
    };
}

fn built_in(action: ActionFn) -> &'static str {
    match action {
        ActionFn::Act | ActionFn::Body(_) => "act",
        ActionFn::ActB => "act_b",
        ActionFn::ActState => "act_state",
        ActionFn::ActPut => "act_put",
        ActionFn::ActUnregister => "act_unregister",
        ActionFn::Kact => "kact",
        ActionFn::Dact => "dact",
    }
}

fn piece(text: &mut String, piece: &Piece) {
    let _ = match piece {
        Piece::Text(plain) => {
            encode(text, plain);
            Ok(())
        }
        Piece::Number(id) => write!(text, "{{{}}}", id.0),
        Piece::Property(Some(id), property) => write!(text, "{{{}.{}}}", id.0, property.word()),
        Piece::Property(None, property) => write!(text, "{{.{}}}", property.word()),
        Piece::FailNth => write!(text, "{{fail_nth}}"),
    };
}

/// Bytes that are part of a word as they are, others as `%XX`.
fn encode(text: &mut String, plain: &str) {
    for byte in plain.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'{' | b'}') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
}

/// What the module keeps for a name of this kind.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Device | Kind::Platform | Kind::Root | Kind::KunitDevice => "device",
        Kind::Bus => "bus",
        Kind::Driver | Kind::PlatformDriver | Kind::KunitDriver => "driver",
        Kind::Class => "class",
        Kind::Devt => "devt",
        Kind::Cdev => "cdev",
        Kind::FileOperations => "fops",
        Kind::IioSetupOps => "iio_ops",
        Kind::File => "file",
        Kind::Thread => "thread",
        Kind::Memory => "memory",
        Kind::Devres => "devres",
        Kind::Found => "found",
        Kind::Group => "group",
        Kind::Number => "number",
        Kind::Probe | Kind::Remove | Kind::Action | Kind::Each | Kind::Hook => "body",
        Kind::Iio => "iio",
        Kind::IioChannel => "iio_channel",
        Kind::Drm => "drm",
        Kind::DrmDriver => "drm_driver",
        Kind::DrmBridge => "drm_bridge",
        Kind::DrmEncoder => "drm_encoder",
        Kind::V4l2Device => "v4l2",
        Kind::Video => "video",
        Kind::Cec => "cec",
        Kind::CecOps => "cec_ops",
        Kind::DeviceLink => "link",
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    #[test]
    fn a_scenario_is_compiled_line_by_line() {
        let text = "scenario shape\n\
            probe p\n  try devm_add_action self act A1\n  return -ENODEV\nend\n\
            platform_driver drv \"lf d\" probe=p\n\
            platform_device pdev \"lf d\" auto\n\
            > rc = platform_driver_register drv\n\
            print \"rc={rc} 100% {{{pdev.ref}}}\"\n\
            devres_alloc dr_rel2 W\n";
        let scenario = parse("shape.scenario", text).unwrap();
        assert_eq!(
            scenario.compiled(),
            "lastfd 1\n\
             scenario shape\n\
             names 6\n\
             bus platform\n\
             bus kunit\n\
             body p\n\
             driver drv\n\
             device pdev\n\
             number rc\n\
             body 2 2\n\
             t devm_add_action - devm_add_action(self,%20act,%20A1) @ aact wA1\n\
             q return - return(-ENODEV) n-19\n\
             main 5\n\
             q platform_driver - platform_driver(drv,%20\"lf%20d\",%20probe=p) #3 tlf%20d | #2 . . .\n\
             q platform_device - platform_device(pdev,%20\"lf%20d\",%20auto) #4 tlf%20d * | .\n\
             s platform_driver_register 5 platform_driver_register(drv) #3\n\
             q print - print(\"rc=%7brc%7d%20100%25%20%7b%7b%7bpdev.ref%7d%7d%7d\") \
             trc={5}%20100%25%20%7b{4.ref}%7d\n\
             q devres_alloc - devres_alloc(dr_rel2,%20W) n2 wW\n"
        );
    }
}

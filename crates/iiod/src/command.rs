//! One request line, as libiio 0.24's `iiod/lexer.l` and `iiod/parser.y` read it.

/// What a line asks for. Names point into the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// A blank line: no reply.
    Nothing,
    Help,
    Exit,
    Version,
    Print,
    ZPrint,
    /// Milliseconds; 0 is for ever, less than 0 is at once.
    Timeout(i32),
    Open {
        device: &'a str,
        samples: u64,
        mask: &'a str,
        cyclic: bool,
    },
    Close {
        device: &'a str,
    },
    Read {
        target: Target<'a>,
        attribute: Option<&'a str>,
    },
    /// `length` bytes follow the line.
    Write {
        target: Target<'a>,
        attribute: Option<&'a str>,
        length: i64,
    },
    ReadBuffer {
        device: &'a str,
        bytes: u32,
    },
    WriteBuffer {
        device: &'a str,
        bytes: u32,
    },
    GetTrigger {
        device: &'a str,
    },
    SetTrigger {
        device: &'a str,
        trigger: Option<&'a str>,
    },
    SetBuffersCount {
        device: &'a str,
        count: u32,
    },
}

/// Whose attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Device(&'a str),
    Debug(&'a str),
    Buffer(&'a str),
    Channel {
        device: &'a str,
        output: bool,
        channel: &'a str,
    },
}

impl<'a> Target<'a> {
    pub(crate) fn device(&self) -> &'a str {
        match *self {
            Target::Device(device)
            | Target::Debug(device)
            | Target::Buffer(device)
            | Target::Channel { device, .. } => device,
        }
    }
}

/// The line is none of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads one line, without its `\n`.
pub(crate) fn parse(line: &[u8]) -> Result<Command<'_>, Malformed> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let end = line
        .iter()
        .rposition(|&byte| !is_blank(byte))
        .map_or(0, |last| last + 1);
    let line = std::str::from_utf8(&line[..end]).map_err(|_| Malformed)?;
    if line.is_empty() {
        return Ok(Command::Nothing);
    }
    let mut words = Words {
        rest: line,
        past_target: false,
    };
    let command = words.keyword()?;
    let command = match command {
        "HELP" | "help" => Command::Help,
        "EXIT" | "exit" | "QUIT" | "quit" => Command::Exit,
        "VERSION" | "version" => Command::Version,
        "PRINT" | "print" => Command::Print,
        "ZPRINT" | "zprint" => Command::ZPrint,
        "TIMEOUT" | "timeout" => {
            // `atoi`, kept by the server in an unsigned and given to `poll` as an int.
            Command::Timeout(leading_number(words.word()?) as i32)
        }
        "OPEN" | "open" => {
            let device = words.word()?;
            let samples = leading_number(words.plain()?) as u64;
            let mask = words.plain()?;
            let cyclic = match words.next() {
                None => false,
                Some("CYCLIC" | "cyclic") => true,
                Some(_) => return Err(Malformed),
            };
            Command::Open {
                device,
                samples,
                mask,
                cyclic,
            }
        }
        "CLOSE" | "close" => Command::Close {
            device: words.word()?,
        },
        "READ" | "read" => {
            let target = words.target()?;
            let attribute = words.optional()?;
            Command::Read { target, attribute }
        }
        "WRITE" | "write" => {
            let target = words.target()?;
            let first = words.plain()?;
            let (attribute, length) = match words.optional()? {
                None => (None, first),
                Some(length) => (Some(first), length),
            };
            Command::Write {
                target,
                attribute,
                length: leading_number(length),
            }
        }
        "READBUF" | "readbuf" => Command::ReadBuffer {
            device: words.word()?,
            bytes: leading_number(words.plain()?) as u32,
        },
        "WRITEBUF" | "writebuf" => Command::WriteBuffer {
            device: words.word()?,
            bytes: leading_number(words.plain()?) as u32,
        },
        "GETTRIG" | "gettrig" => Command::GetTrigger {
            device: words.word()?,
        },
        "SETTRIG" | "settrig" => Command::SetTrigger {
            device: words.word()?,
            trigger: words.optional()?,
        },
        "SET" | "set" => {
            let device = words.word()?;
            match words.word()? {
                "BUFFERS_COUNT" | "buffers_count" => {}
                _ => return Err(Malformed),
            }
            Command::SetBuffersCount {
                device,
                count: leading_number(words.word()?) as u32,
            }
        }
        _ => return Err(Malformed),
    };
    match words.next() {
        None => Ok(command),
        Some(_) => Err(Malformed),
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

struct Words<'a> {
    rest: &'a str,
    past_target: bool,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

impl<'a> Words<'a> {
    /// The first word, which no blank may precede.
    fn keyword(&mut self) -> Result<&'a str, Malformed> {
        if self.rest.starts_with([' ', '\t']) {
            return Err(Malformed);
        }
        self.word()
    }

    fn word(&mut self) -> Result<&'a str, Malformed> {
        let word = self.next().ok_or(Malformed)?;
        if is_word(word) {
            Ok(word)
        } else {
            Err(Malformed)
        }
    }

    /// A word that the lexer does not take for a keyword. After a device these are many;
    /// after DEBUG, BUFFER or a channel an attribute may be called `input`.
    fn plain(&mut self) -> Result<&'a str, Malformed> {
        let word = self.word()?;
        match word {
            "CYCLIC" | "cyclic" => Err(Malformed),
            _ if self.past_target => Ok(word),
            "DEBUG" | "debug" | "BUFFER" | "buffer" | "INPUT" | "input" | "OUTPUT" | "output"
            | "BUFFERS_COUNT" | "buffers_count" => Err(Malformed),
            _ => Ok(word),
        }
    }

    fn optional(&mut self) -> Result<Option<&'a str>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.plain().map(Some)
    }

    fn target(&mut self) -> Result<Target<'a>, Malformed> {
        let device = self.word()?;
        let rest = self.rest;
        let target = match self.next() {
            Some("DEBUG" | "debug") => Target::Debug(device),
            Some("BUFFER" | "buffer") => Target::Buffer(device),
            Some(direction @ ("INPUT" | "input" | "OUTPUT" | "output")) => Target::Channel {
                device,
                output: direction.starts_with(['O', 'o']),
                channel: self.word()?,
            },
            _ => {
                self.rest = rest;
                return Ok(Target::Device(device));
            }
        };
        self.past_target = true;
        Ok(target)
    }
}

/// The lexer's `WORD`: `(letters "," | "iio:")? [-_.A-Za-z0-9]+`. No slash: a name
/// cannot leave its directory.
fn is_word(word: &str) -> bool {
    let tail = match word.split_once([',', ':']) {
        None => word,
        Some(("iio", tail)) => tail,
        Some((head, tail)) => {
            let letters = !head.is_empty() && head.bytes().all(|b| b.is_ascii_alphabetic());
            if !letters || !word[head.len()..].starts_with(',') {
                return false;
            }
            tail
        }
    };
    !tail.is_empty()
        && tail
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `atol`: the digits the word starts with, 0 without any, held at the ends of its range.
fn leading_number(word: &str) -> i64 {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let mut value = 0i64;
    for digit in digits.bytes().take_while(u8::is_ascii_digit) {
        let digit = i64::from(digit - b'0');
        value = value.saturating_mul(10);
        value = if negative {
            value.saturating_sub(digit)
        } else {
            value.saturating_add(digit)
        };
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_end_in_blanks_and_a_carriage_return() {
        for line in ["VERSION", "VERSION\r", "VERSION \t\r", "version  "] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Version), "{line:?}");
        }
        assert_eq!(parse(b"\r"), Ok(Command::Nothing));
        assert_eq!(parse(b" \t"), Ok(Command::Nothing));
    }

    #[test]
    fn an_empty_name_is_no_name() {
        let all = Ok(Command::Read {
            target: Target::Device("iio:device0"),
            attribute: None,
        });
        assert_eq!(parse(b"READ iio:device0"), all);
        assert_eq!(parse(b"READ iio:device0 \r"), all);
    }

    #[test]
    fn lines_that_are_no_command() {
        for line in [
            "GARBAGE",
            "READ",
            "VERSION extra",
            "Version",
            "  VERSION",
            "TIMEOUT",
            "BINARY",
            "OPEN iio:device0 16",
            "OPEN iio:device0 16 00000001 ROUND",
            "READ iio:device0 INPUT",
            "READ iio:device0 cyclic",
            "READ iio:device0 DEBUG cyclic",
            "READ iio:device0 buffers_count",
            "READ ../etc/passwd x",
            "READ iio:device0 a/b",
            "READ iio:device0 a b",
            "SET iio:device0 NOPE 4",
            "SET iio:device0 BUFFERS_COUNT",
            "WRITE iio:device0",
            "READ a:b c",
            "READ \u{e4} c",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Malformed), "{line:?}");
        }
        assert_eq!(parse(b"READ \xff\xfe"), Err(Malformed));
        assert_eq!(parse(b"VERSION\0"), Err(Malformed));
    }

    #[test]
    fn each_form_of_read_and_write() {
        let channel = Target::Channel {
            device: "adc",
            output: true,
            channel: "voltage0",
        };
        assert_eq!(
            parse(b"READ adc OUTPUT voltage0 raw"),
            Ok(Command::Read {
                target: channel,
                attribute: Some("raw")
            })
        );
        assert_eq!(
            parse(b"WRITE adc output voltage0 12"),
            Ok(Command::Write {
                target: channel,
                attribute: None,
                length: 12
            })
        );
        assert_eq!(
            parse(b"WRITE adc BUFFER length 3"),
            Ok(Command::Write {
                target: Target::Buffer("adc"),
                attribute: Some("length"),
                length: 3
            })
        );
        assert_eq!(
            parse(b"WRITE adc DEBUG 8"),
            Ok(Command::Write {
                target: Target::Debug("adc"),
                attribute: None,
                length: 8
            })
        );
    }

    #[test]
    fn attributes_of_channels_may_be_called_as_keywords() {
        assert_eq!(
            parse(b"READ adc INPUT temp input"),
            Ok(Command::Read {
                target: Target::Channel {
                    device: "adc",
                    output: false,
                    channel: "temp"
                },
                attribute: Some("input")
            })
        );
        assert_eq!(
            parse(b"READ adc DEBUG buffer"),
            Ok(Command::Read {
                target: Target::Debug("adc"),
                attribute: Some("buffer")
            })
        );
    }

    #[test]
    fn numbers_are_read_as_atol_reads_them() {
        assert_eq!(leading_number("16abc"), 16);
        assert_eq!(leading_number("abc"), 0);
        assert_eq!(leading_number("-5"), -5);
        assert_eq!(leading_number("99999999999999999999"), i64::MAX);
        assert_eq!(leading_number("-99999999999999999999"), i64::MIN);
        assert_eq!(parse(b"TIMEOUT abc"), Ok(Command::Timeout(0)));
        assert_eq!(parse(b"TIMEOUT -1"), Ok(Command::Timeout(-1)));
    }
}

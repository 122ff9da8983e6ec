//! A scenario as a KUnit case in C, for a kernel's own tree: the calls that it makes,
//! and what lastfd says comes of them, line by line.
//!
//! What is emitted is a file of its own that needs nothing of ours; it is GPL-2.0, as
//! part of a kernel.

mod calls;
mod declarations;
mod text;

use std::fmt::Write as _;

use lastfd_model::Rules;

use self::calls::Emitter;
use crate::ast::{Line, NameId, Runner, Scenario};
use crate::language::{Kind, Op, Statement};

/// Why there is no case of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCase {
    /// A statement that cases have not.
    #[error("line {line}: `{statement}` cannot be emitted as C{more}")]
    Statement {
        /// Its line in the scenario.
        line: usize,
        /// Its word.
        statement: &'static str,
        /// What of it.
        more: &'static str,
    },
    /// It is the body of a KUnit case already.
    #[error(
        "the scenario is the body of a KUnit case: only scenarios of a plain thread can be emitted"
    )]
    IsCase,
    /// A kernel would not survive it, or has something left behind.
    #[error("a kernel cannot run it as a test and go on: {0}")]
    Unfit(String),
}

/// What every case needs to see what happens.
const PRELUDE: &str = include_str!("prelude.c");

/// What the IIO devices of a case answer.
const IIO_PRELUDE: &str = "
static int read_raw(struct iio_dev *dev, const struct iio_chan_spec *channel, int *val,
		    int *val2, long mask)
{
	seen_line(\"iio read_raw called\");
	*val = 42;
	return IIO_VAL_INT;
}
static const struct iio_info iio_info = { .read_raw = read_raw };
";

impl Scenario {
    /// The scenario as a KUnit case in C.
    ///
    /// # Errors
    ///
    /// [`NoCase`]: a statement that needs what a case has not (open files, the
    /// frameworks but IIO), or an end that a kernel would not survive.
    ///
    /// ```
    /// use lastfd_model::Rules;
    ///
    /// let text = "scenario root\n> r = root_device_register \"r\"\ntrack r\n\
    ///             > root_device_unregister r\n";
    /// let case = lastfd_scenario::parse("root.scenario", text)?.kunit_c(Rules::Linux6_12)?;
    /// assert!(case.contains("KUNIT_CASE(root)"));
    /// assert!(case.contains("\"02     RELEASE r\","));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kunit_c(&self, rules: Rules) -> Result<String, NoCase> {
        if let Runner::KunitCase(_) = self.runner() {
            return Err(NoCase::IsCase);
        }
        let expected = self.expected(rules)?;
        let mut emitter = Emitter::new(self);
        let main = emitter.lines(self.lines(), None)?;
        let mut bodies = String::new();
        for at in 0..self.names().len() {
            let id = NameId(u32::try_from(at).unwrap_or(u32::MAX));
            if let Some(lines) = self.body(id) {
                bodies.push_str(&emitter.body(id, lines)?);
            }
        }
        let name = symbol(self.name());
        let iio = self.names().iter().any(|name| name.kind == Kind::Iio);
        let mut c = String::from("// SPDX-License-Identifier: GPL-2.0\n");
        let _ = writeln!(
            c,
            "/*\n * The scenario {} as a KUnit case, emitted by `lastfd replay --emit kunit-c`.\n \
             *\n * What is expected is what lastfd does under the rules {rules}.\n */",
            self.name()
        );
        if iio {
            c.push_str("#include <linux/iio/iio.h>\n");
        }
        c.push_str(PRELUDE);
        if iio {
            c.push_str(IIO_PRELUDE);
        }
        c.push_str(
            "\n/* What must happen, in this order. */\nstatic const char *const expected[] = {\n",
        );
        for line in &expected {
            let _ = writeln!(c, "\t{},", text::quoted(line));
        }
        c.push_str("\tNULL\n};\n\n");
        c.push_str(&emitter.declarations());
        c.push_str(&bodies);
        // It may be run again.
        let counts = emitter.counted.iter();
        let counts: String = counts.map(|count| format!("\t{count} = 0;\n")).collect();
        let _ = write!(
            c,
            "static void {name}(struct kunit *test)\n{{\n\tvoid *p __maybe_unused;\n\
             \tlong rc __maybe_unused;\n\n{counts}\tbegin(test, expected);\n{main}\tend();\n}}\n\n\
             static struct kunit_case cases[] = {{\n\tKUNIT_CASE({name}),\n\t{{ }}\n}};\n\n\
             static struct kunit_suite suite = {{\n\t.name = \"lastfd-{}\",\n\
             \t.test_cases = cases,\n}};\nkunit_test_suite(suite);\n\nMODULE_LICENSE(\"GPL\");\n",
            self.name()
        );
        Ok(c)
    }

    /// The lines of the trace that the case can see.
    fn expected(&self, rules: Rules) -> Result<Vec<String>, NoCase> {
        let (trace, _) = self.run_like_a_kernel(rules);
        let mut expected = Vec::new();
        for line in trace.to_string().lines() {
            let rest = line
                .split_once(' ')
                .map_or("", |(_, rest)| rest)
                .trim_start();
            let fatal = [
                "BUG: ",
                "refcount: ",
                "use after free: ",
                "deadlock: ",
                "driver panicked: ",
            ];
            if line.starts_with("kernel: ") {
                if fatal.iter().any(|sign| rest.starts_with(sign)) {
                    return Err(NoCase::Unfit(rest.to_owned()));
                }
                continue;
            }
            if rest.starts_with("note: skipped") || rest.starts_with("LEFTOVER") {
                return Err(NoCase::Unfit(rest.to_owned()));
            }
            if !rest.starts_with("note:") {
                expected.push(without_error_name(line).to_owned());
            }
        }
        Ok(expected)
    }
}

/// A line without the name of the error behind its number, which a kernel may be built
/// without.
fn without_error_name(line: &str) -> &str {
    let Some((_, rest)) = line.split_once(' ') else {
        return line;
    };
    let rest = rest.trim_start();
    let told = rest.starts_with("< ") || rest.starts_with("probe leave ");
    let Some(name) = line.rfind(" -").or_else(|| line.rfind("  (-")) else {
        return line;
    };
    let is_name = line[name..]
        .trim_start_matches([' ', '-', '('])
        .starts_with('E');
    if told && is_name {
        line[..name].trim_end()
    } else {
        line
    }
}

/// A word that C takes as part of a name.
fn symbol(word: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    word.chars().map(kept).collect()
}

fn refused(line: &Line, more: &'static str) -> NoCase {
    NoCase::Statement {
        line: line.line,
        statement: Statement::of(line.op).word,
        more,
    }
}

/// Statements that only declare something of the kernel's.
fn declares(op: Op) -> bool {
    matches!(
        op,
        Op::Device | Op::PlatformDevice | Op::Bus | Op::Driver | Op::PlatformDriver
    )
}

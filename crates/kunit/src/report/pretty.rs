//! For a reader at a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Outcome, Reporter, Stats};
use crate::suite::{Case, Suite};
use crate::test::Status;

/// Writes one line for each case, with its diagnostics below it if it failed.
///
/// It always writes colours; a stream such as `anstream`'s takes them out where
/// they are not wanted.
#[derive(Debug)]
pub struct Pretty<W> {
    out: W,
    log: Vec<String>,
    /// Lines of the parameters, which come after the case's.
    params: Vec<u8>,
}

impl<W: Write> Pretty<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Pretty<W> {
        Pretty {
            out,
            log: Vec::new(),
            params: Vec::new(),
        }
    }

    fn diagnostics(&mut self, indent: &str) -> io::Result<()> {
        for line in self.log.drain(..).flat_map(|text| lines(&text)) {
            writeln!(self.out, "{indent}{line}")?;
        }
        Ok(())
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn result(out: &mut impl Write, indent: &str, outcome: &Outcome) -> io::Result<()> {
    let (word, colour) = match outcome.status {
        Status::Success => ("ok  ", AnsiColor::Green),
        Status::Failure => ("FAIL", AnsiColor::Red),
        Status::Skipped => ("skip", AnsiColor::Yellow),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    write!(out, "{indent}{style}{word}{style:#} {}", outcome.name)?;
    if outcome.status == Status::Skipped && !outcome.comment.is_empty() {
        write!(out, " ({})", outcome.comment)?;
    }
    writeln!(out)
}

impl<W: Write> Reporter for Pretty<W> {
    fn run_begins(&mut self, _suites: usize) -> io::Result<()> {
        Ok(())
    }

    fn suite_begins(&mut self, suite: &Suite) -> io::Result<()> {
        let style = Style::new().bold();
        writeln!(self.out, "{style}{}{style:#}", suite.name)
    }

    fn log(&mut self, _of: &str, text: &str) -> io::Result<()> {
        self.log.push(text.to_owned());
        Ok(())
    }

    fn case_begins(&mut self, _case: &Case, _params: bool) -> io::Result<()> {
        self.params.clear();
        self.diagnostics("  ")
    }

    fn param_ends(&mut self, _case: &Case, outcome: &Outcome) -> io::Result<()> {
        result(&mut self.params, "       ", outcome)?;
        for line in self.log.drain(..).flat_map(|text| lines(&text)) {
            writeln!(self.params, "              {line}")?;
        }
        Ok(())
    }

    fn case_ends(&mut self, _case: &Case, outcome: &Outcome) -> io::Result<()> {
        result(&mut self.out, "  ", outcome)?;
        if outcome.status == Status::Failure {
            self.out.write_all(&self.params)?;
        }
        self.diagnostics("         ")
    }

    fn suite_ends(&mut self, suite: &Suite, outcome: &Outcome, total: Stats) -> io::Result<()> {
        if outcome.status == Status::Failure && total.is_success() {
            let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            writeln!(self.out, "{style}{} failed{style:#}", suite.name)?;
        }
        self.diagnostics("  ")
    }

    fn run_ends(&mut self, total: Stats) -> io::Result<()> {
        let Stats {
            passed,
            failed,
            skipped,
        } = total;
        let colour = match total.is_success() {
            true => AnsiColor::Green,
            false => AnsiColor::Red,
        };
        let style = Style::new().bold().fg_color(Some(colour.into()));
        writeln!(
            self.out,
            "{style}{passed} passed, {failed} failed, {skipped} skipped{style:#}"
        )?;
        self.out.flush()
    }
}

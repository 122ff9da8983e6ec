//! Reads a scenario: first its shape and the names it defines, then each
//! statement's operands.

use crate::ast::{Form, Line, Read, Runner, Scenario};
use crate::error::ParseError;
use crate::language::Returns;
use crate::operand::Operands;
use crate::shape::{Place, Raw, Shape, Source};

/// Reads a scenario. `name` is what errors call the text, usually its path.
///
/// It takes any text, and answers a faulty one with the first fault found.
///
/// ```
/// let scenario = lastfd_scenario::parse(
///     "a2.scenario",
///     "scenario a2\n\
///      r = root_device_register \"lf-root\"\n\
///      track r\n\
///      > root_device_unregister r\n",
/// )?;
/// assert_eq!(scenario.name(), "a2");
/// assert_eq!(scenario.lines().len(), 3);
/// # Ok::<(), lastfd_scenario::ParseError>(())
/// ```
///
/// # Errors
///
/// [`ParseError`]: the place of the fault and what was expected there.
pub fn parse(name: &str, text: &str) -> Result<Scenario, ParseError> {
    let source = Source::new(name, text);
    let shape = Shape::read(&source)?;
    let mut read = Read {
        name: shape.name,
        runner: shape.runner,
        names: shape.names.iter().map(|d| d.name.clone()).collect(),
        lines: Vec::new(),
        bodies: vec![None; shape.names.len()],
    };
    for defined in &shape.names {
        if defined.name.kind.is_body() {
            let id = shape.index[&defined.name.text];
            read.bodies[id.0 as usize] = Some(Vec::new());
        }
    }
    for raw in &shape.raw {
        let place = source.place(raw.line);
        let operands = Operands {
            place,
            names: &shape.names,
            index: &shape.index,
            body: raw.body,
            kunit_case: read.runner != Runner::Plain,
        };
        let line = raw.resolve(operands)?;
        match raw.body {
            None => read.lines.push(line),
            Some(body) => {
                if let Some(body) = &mut read.bodies[body.0 as usize] {
                    body.push(line);
                }
            }
        }
    }
    Ok(Scenario::new(read))
}

impl Raw {
    fn resolve(&self, operands: Operands<'_>) -> Result<Line, ParseError> {
        let place = operands.place;
        self.form_is_allowed(place)?;
        operands.statement_is_allowed(self.statement, self.word_span)?;
        if let Form::Try = self.form {
            operands.body_returns(self.form_span, "`try`")?;
        }
        let (args, keywords) = operands.read(self.statement, &self.operands)?;
        Ok(Line {
            line: self.line,
            form: self.form,
            op: self.statement.op,
            result: self.result,
            args,
            keywords,
            text: self.text.clone(),
        })
    }

    fn form_is_allowed(&self, place: Place<'_>) -> Result<(), ParseError> {
        let word = self.statement.word;
        match self.form {
            Form::Quiet => Ok(()),
            Form::Step | Form::Do if self.body.is_some() => Err(place.fault(
                self.form_span,
                "expected a quiet statement: steps stand outside bodies",
            )),
            Form::Step | Form::Do if self.statement.returns == Returns::NoStep => Err(place.fault(
                self.form_span,
                format!("expected a quiet statement: `{word}` is not a call and makes no step"),
            )),
            Form::Try if self.statement.returns != Returns::Int => Err(place.fault(
                self.word_span,
                format!("expected a call that returns an error after `try`, found `{word}`"),
            )),
            _ => Ok(()),
        }
    }
}

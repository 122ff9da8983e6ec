//! A bench that is driven by lines of JSON: what tests in other languages have it through.
//!
//! One line asks, one answers: `{"id":1,"do":"plug","device":"camera"}` is answered by
//! `{"id":1,"ok":{"name":"camera"}}`, or by
//! `{"id":1,"error":{"kind":"refused","message":"…"}}`. A request that waits is answered
//! when its time has come, and others meanwhile. `docs/bench-protocol.md` has all of it.
//!
//! This is a thin layer over [`Bench`]: what can be asked here can be called there.

mod answer;
mod desk;
mod input;
mod pending;
mod request;
mod spawn;

use core::time::Duration;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use lastfd_report::Report;
use lastfd_sync::{Cancel, WaitError, WaitQueue, wait_event};

use serde_json::Value;

pub use answer::Kind;
pub use request::{Ask, BadRequest, Id, Request, SignalName, Spawn};

use crate::bench::Bench;
use answer::Refusal;
use desk::{Desk, Done};
use input::{Input, LINE_MAX, Line};

/// The version of the protocol. It grows when something changes its meaning.
pub const PROTOCOL: u32 = 1;

/// How long programs that were killed may take to let go of what they have open.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves a bench until it is asked to finish, its input ends, the parent of this process
/// ends, or `stop` is cancelled. What is left of programs is killed then.
///
/// If it is not over a quarter of a minute after its input ended, as where a driver waits
/// for ever, `give_up` is called, which should end this process: its programs end with it.
///
/// ```
/// use lastfd::{Bench, session, sync::Cancel};
/// use std::io::Write;
///
/// let (mut asks, input) = std::os::unix::net::UnixStream::pair().unwrap();
/// asks.write_all(b"{\"id\":1,\"do\":\"plug\",\"device\":\"camera\"}\n").unwrap();
/// asks.write_all(b"{\"id\":2,\"do\":\"finish\"}\n").unwrap();
/// let mut answers = Vec::new();
/// let report = session::serve(Bench::new(), input, &mut answers, &Cancel::new(), || {}).unwrap();
/// report.assert_clean();
/// let answers = String::from_utf8(answers).unwrap();
/// let lines: Vec<&str> = answers.lines().collect();
/// assert_eq!(lines[1], r#"{"id":1,"ok":{"name":"camera"}}"#);
/// ```
///
/// # Errors
/// The system has no thread or descriptor to give.
pub fn serve<R: Read + AsFd + Send + 'static>(
    bench: Bench,
    input: R,
    output: &mut dyn Write,
    stop: &Cancel,
    give_up: impl FnOnce() + Send + 'static,
) -> io::Result<Report> {
    let input = Input::start(input, give_up)?;
    let mut output = Output {
        to: output,
        is_read: true,
    };
    output.line(&hello());
    let mut desk = Desk::new(&bench);
    let finish = conduct(&bench, &mut desk, &input, &mut output, stop);
    let (answers, spawned) = desk.close();
    for line in answers {
        output.line(&line);
    }
    // What it killed closes what it had open.
    bench.wait_for_clients(CLOSING);
    let report = bench.finish();
    if let Some(finish) = finish {
        output.line(&finish.answer(&report, spawned));
    }
    drop(input);
    Ok(report)
}

/// What is written first.
fn hello() -> String {
    let (protocol, version, pid) = (PROTOCOL, env!("CARGO_PKG_VERSION"), std::process::id());
    format!(r#"{{"hello":"lastfd bench","protocol":{protocol},"version":"{version}","pid":{pid}}}"#)
}

/// Answers until it is over; by a request, if that is how it ended.
fn conduct(
    bench: &Bench,
    desk: &mut Desk<'_>,
    input: &Input,
    output: &mut Output<'_>,
    stop: &Cancel,
) -> Option<Finish> {
    let clock = bench.system().clock();
    loop {
        let mut queues: Vec<WaitQueue> = vec![input.arrived().clone()];
        queues.extend(desk.queues());
        let queues: Vec<&WaitQueue> = queues.iter().collect();
        let next = desk.next_deadline(clock.now());
        let turn = wait_event(&queues, clock, next, Some(stop), || {
            let answers = desk.look();
            let line = input.next();
            // What has changed may have to be looked at sooner.
            let sooner = desk.next_deadline(clock.now());
            let sooner = sooner.is_some_and(|at| next.is_none_or(|next| at < next));
            (!answers.is_empty() || line.is_some() || sooner).then_some((answers, line))
        });
        let (answers, line) = match turn {
            Ok(turn) => turn,
            Err(WaitError::TimedOut) => (desk.look(), None),
            Err(WaitError::Cancelled) => return None,
        };
        for line in answers {
            output.line(&line);
        }
        match line {
            None => {}
            Some(Line::Over) => return None,
            Some(Line::TooLong) => {
                let error = format!("a request is at most {LINE_MAX} bytes");
                let refusal = Refusal::of(Kind::BadRequest, error);
                output.line(&answer::line(None, Err(refusal)));
            }
            Some(Line::Bytes(bytes)) => match Request::parse(&bytes) {
                Err(error) => output.line(&answer::bad(error)),
                Ok(request) => match desk.ask(request) {
                    Done::Answer(line) => output.line(&line),
                    Done::Later => {}
                    Done::Finish(finish) => return Some(finish),
                },
            },
        }
        if !output.is_read {
            return None;
        }
    }
}

/// A request to finish.
struct Finish {
    id: Id,
    report: Option<PathBuf>,
    events: bool,
}

impl Finish {
    fn answer(&self, report: &Report, spawned: Value) -> String {
        let mut value = report.to_value(self.events);
        value["text"] = report.verdict().to_string().into();
        value["spawned"] = spawned;
        let saved = self
            .report
            .as_ref()
            .map_or(Ok(()), |path| report.save(path));
        let answer = saved.map(|()| value);
        let answer = answer.map_err(|error| Refusal::of(Kind::Refused, error));
        answer::line(Some(&self.id), answer)
    }
}

struct Output<'a> {
    to: &'a mut dyn Write,
    /// Whether somebody reads it, as far as is known.
    is_read: bool,
}

impl Output<'_> {
    fn line(&mut self, line: &str) {
        let written = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
        self.is_read &= written.is_ok();
    }
}

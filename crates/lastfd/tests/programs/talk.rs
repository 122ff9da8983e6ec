//! A program that is talked to, line by line.

use core::time::Duration;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use lastfd::sync::thread;
use lastfd::{Command, Ending, Program};
use rustix::event::{PollFd, PollFlags, Timespec};

/// For what takes no time, on a machine that has much to do.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// How long something is watched that must not happen.
pub(crate) const WATCHED: Duration = Duration::from_millis(200);

/// A program with pipes to its input and from its output.
pub(crate) struct Talk<'a> {
    program: Program<'a>,
    to: Option<std::io::PipeWriter>,
    from: std::io::PipeReader,
    /// What it said after the last whole line.
    rest: Vec<u8>,
}

impl<'a> Talk<'a> {
    /// Starts it, and waits until it says this.
    pub(crate) fn start(command: Command<'a>, first: &str) -> Talk<'a> {
        let (input, to) = std::io::pipe().unwrap();
        let (from, output) = std::io::pipe().unwrap();
        let program = command.stdin(input).stdout(output).spawn().unwrap();
        let mut talk = Talk {
            program,
            to: Some(to),
            from,
            rest: Vec::new(),
        };
        assert_eq!(talk.line(), first);
        talk
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid().unwrap()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let to = self.to.as_mut().unwrap();
        writeln!(to, "{line}").unwrap();
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.line()
    }

    /// The next line, which must come.
    pub(crate) fn line(&mut self) -> String {
        self.line_within(SOON)
            .unwrap_or_else(|| panic!("it says nothing"))
    }

    /// The next line, if it comes in this time. At the end of its output it is empty.
    pub(crate) fn line_within(&mut self, within: Duration) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let mut bytes = [0; 512];
            let timeout = Timespec::try_from(within).unwrap();
            let mut fds = [PollFd::from_borrowed_fd(self.from.as_fd(), PollFlags::IN)];
            if thread::wait_outside(|| rustix::event::poll(&mut fds, Some(&timeout))) == Ok(0) {
                return None;
            }
            match self.from.read(&mut bytes).unwrap() {
                0 => return Some(String::new()),
                count => self.rest.extend(&bytes[..count]),
            }
        }
    }

    /// Nothing is said for a while.
    pub(crate) fn is_silent(&mut self) {
        if let Some(line) = self.line_within(WATCHED) {
            panic!("it said: {line}");
        }
    }

    /// Ends a call that sleeps.
    pub(crate) fn interrupt(&self) {
        const SIGUSR1: i32 = 10;
        self.program.signaller().send(SIGUSR1);
    }

    /// Closes its input, and gives what it still says and how it ended.
    pub(crate) fn end(mut self) -> (Vec<String>, Ending) {
        self.to = None;
        let mut said = Vec::new();
        loop {
            match self.line() {
                line if line.is_empty() => break,
                line => said.push(line),
            }
        }
        (said, self.program.wait())
    }
}

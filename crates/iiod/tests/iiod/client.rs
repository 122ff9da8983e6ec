//! A client that says what it is told to.

use lastfd_iiod::Server;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Far longer than any answer takes: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn new(server: &Server) -> Client {
        let stream = TcpStream::connect(server.local_addr()).expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client { stream }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    /// The next bytes are these.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let got = self.take(bytes.len());
        assert_eq!(show(&got), show(bytes));
    }

    /// Sends a line, and gets this.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str, reply: impl AsRef<[u8]>) {
        self.send(format!("{line}\r\n"));
        let got = self.take(reply.as_ref().len());
        assert_eq!(show(&got), show(reply.as_ref()), "to {line:?}");
    }

    /// The next bytes, as many as asked for, or fewer at the end.
    #[track_caller]
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        let mut got = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.stream.read(&mut got[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => panic!("after {:?}: {error}", show(&got[..filled])),
            }
        }
        got.truncate(filled);
        got
    }

    /// A line, without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match self.take(1).as_slice() {
                [b'\n'] | [] => return String::from_utf8(line).expect("text"),
                byte => line.extend_from_slice(byte),
            }
        }
    }

    /// What PRINT gives.
    #[track_caller]
    pub(crate) fn description(&mut self) -> String {
        self.send("PRINT\r\n");
        self.take_description()
    }

    /// A length and that many bytes.
    #[track_caller]
    pub(crate) fn take_description(&mut self) -> String {
        let length: usize = self.line().parse().expect("a length");
        let text = self.take(length + 1);
        assert_eq!(text.last(), Some(&b'\n'));
        String::from_utf8(text[..length].to_vec()).expect("text")
    }

    /// Closes the sending side; there must be nothing more to get.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.finish_after(b"");
    }

    /// Closes the sending side; this is what is still to come.
    #[track_caller]
    pub(crate) fn finish_after(mut self, rest: &[u8]) {
        self.half_close();
        self.closed_after(rest);
    }

    /// The server closes, after these bytes.
    #[track_caller]
    pub(crate) fn closed_after(&mut self, rest: &[u8]) {
        let mut got = Vec::new();
        // A server that closes while bytes of ours are unread resets the connection.
        let _ = self.stream.read_to_end(&mut got);
        assert_eq!(show(&got), show(rest));
    }

    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("half closed");
    }

    /// Whether there is something to take now.
    pub(crate) fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).expect("set");
        let answer = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_nonblocking(false).expect("set");
        answer
    }

    /// Takes whatever comes until the server closes.
    pub(crate) fn drain(&mut self) {
        let mut bytes = [0; 4096];
        while self.stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
    }
}

/// Bytes as text, for messages.
pub(crate) fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

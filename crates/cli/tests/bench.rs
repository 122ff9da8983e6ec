//! `lastfd bench`: its protocol, as its page has it, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

fn lastfd() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lastfd"))
}

struct Session {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

fn session() -> Session {
    let mut child = lastfd()
        .args(["bench", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Session {
        asks: child.stdin.take(),
        answers: BufReader::new(child.stdout.take().unwrap()),
        child,
    }
}

impl Session {
    fn send(&mut self, line: &str) {
        writeln!(self.asks.as_mut().unwrap(), "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> serde_json::Value {
        self.send(line);
        serde_json::from_str(&self.line()).unwrap()
    }
}

fn page() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/bench-protocol.md");
    std::fs::read_to_string(page).unwrap()
}

/// Whether a line is as the page has it, where `…` is anything.
fn is_like(line: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = match parts.peek() {
            None if part.is_empty() => return true,
            None => rest.rfind(part),
            Some(_) => rest.find(part),
        };
        match at {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[test]
fn the_page_of_the_protocol_is_a_session_that_goes_as_it_says() {
    let page = page();
    let mut session = session();
    let blocks = page.split("```session\n").skip(1);
    for line in blocks.flat_map(|block| block.split("```").next().unwrap().lines()) {
        match (line.strip_prefix("> "), line.strip_prefix("< ")) {
            (Some(ask), _) => session.send(ask),
            (_, Some(wanted)) => {
                let said = session.line();
                assert!(is_like(&said, wanted), "\nsaid   {said}\nwanted {wanted}");
            }
            _ => panic!("neither asked nor answered: {line}"),
        }
    }
    assert_eq!(session.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_page_has_every_request() {
    let mut session = session();
    session.line();
    let refused = session.ask(r#"{"id":1,"do":"?"}"#);
    let message = refused["error"]["message"].as_str().unwrap();
    let page = page();
    let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 12, "{message}");
    for request in known {
        let asked = format!("\"do\":\"{request}\"");
        assert!(page.contains(&asked), "the page has no {asked}");
    }
    drop(session.asks.take());
    assert_eq!(session.child.wait().unwrap().code(), Some(0));
}

#[test]
fn requests_are_answered_while_others_wait() {
    let mut session = session();
    session.line();
    session.send(r#"{"id":1,"do":"wait","event":"open","within_ms":60000}"#);
    session.send(r#"{"id":2,"do":"plug","device":"iio-adc"}"#);
    assert_eq!(session.line(), r#"{"id":2,"ok":{"name":"iio-adc"}}"#);
    session.send(r#"{"id":3,"do":"spawn","argv":["head","-c","1","/dev/iio:device0"]}"#);
    let answers = [session.line(), session.line()];
    let about = |id: &str| answers.iter().any(|line| line.starts_with(id));
    assert!(
        about(r#"{"id":1,"ok":{"event""#) && about(r#"{"id":3,"ok""#),
        "{answers:?}"
    );
}

/// Whether a process is there that is no zombie.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until_gone(pid: &str) {
    for _ in 0..2000 {
        if !lives(pid) {
            return;
        }
        let clock = lastfd::sync::Clock::real();
        let _ = clock.sleep(std::time::Duration::from_millis(10), None);
    }
    panic!("process {pid} is alive");
}

#[test]
fn nothing_is_left_when_its_input_closes() {
    let mut session = session();
    session.line();
    // It ignores what it can, and what it starts outlives it.
    let script = "trap '' TERM HUP INT; sleep 1000 & setsid sleep 1000 & sleep 1000";
    let spawned = session.ask(&format!(
        r#"{{"id":1,"do":"spawn","argv":["sh","-c","{script}"]}}"#
    ));
    let pid = spawned["ok"]["pid"].to_string();
    assert!(lives(&pid));
    session.send(r#"{"id":2,"do":"wait-program","program":1,"within_ms":60000}"#);
    drop(session.asks.take());
    assert_eq!(
        session.line(),
        r#"{"id":2,"error":{"kind":"over","message":"the session ends before it came"}}"#
    );
    assert_eq!(session.child.wait().unwrap().code(), Some(0));
    wait_until_gone(&pid);
}

#[test]
fn nothing_is_left_when_the_process_that_started_it_dies() {
    // Its input stays open: this test has the other end.
    let script = r#""$0" bench --quiet <&3 & echo $!; read -r stop"#;
    let (input, mut asks) = std::io::pipe().unwrap();
    let mut shell = Command::new("sh")
        .args([
            "-c",
            &format!(
                "exec 3<&0 </dev/null; {}",
                script.replace("; read -r stop", "; exec sleep 1000")
            ),
        ])
        .arg(env!("CARGO_BIN_EXE_lastfd"))
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(shell.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = [next(), next()];
    let bench = first.iter().find(|line| !line.starts_with('{')).unwrap();
    writeln!(asks, r#"{{"id":1,"do":"spawn","argv":["sleep","1000"]}}"#).unwrap();
    let spawned: serde_json::Value = serde_json::from_str(&next()).unwrap();
    let pid = spawned["ok"]["pid"].to_string();
    assert!(lives(bench) && lives(&pid));
    shell.kill().unwrap();
    shell.wait().unwrap();
    wait_until_gone(bench);
    wait_until_gone(&pid);
}

#[test]
fn a_signal_ends_it_and_its_programs() {
    let mut session = session();
    session.line();
    let spawned = session.ask(r#"{"id":1,"do":"spawn","argv":["sleep","1000"]}"#);
    let pid = spawned["ok"]["pid"].to_string();
    let kill = Command::new("kill")
        .args(["-TERM", &session.child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(session.child.wait().unwrap().code(), Some(0));
    wait_until_gone(&pid);
}

#[test]
fn lines_without_end_and_without_sense_are_refused_and_the_session_goes_on() {
    let mut session = session();
    session.line();
    let long = "x".repeat((1 << 20) + 1);
    let refused = session.ask(&long);
    assert_eq!(
        refused["error"]["message"],
        "a request is at most 1048576 bytes"
    );
    for (line, said) in [
        ("[]", "a request is a JSON object"),
        (
            r#"{"id":-1,"do":"devices"}"#,
            "'id' is a number from 0 on or a text, not -1",
        ),
        (r#"{"id":1}"#, "has no 'do'"),
        (r#"{"id":1,"do":5}"#, "'do' is a text, not 5"),
        (
            r#"{"id":1,"do":"devices","all":true}"#,
            "unknown field `all`",
        ),
        (r#"{"id":1,"do":"plug"}"#, "missing field `device`"),
        (r#"{"id":1,"do":"plug","device":5}"#, "expected a string"),
        (r#"{"id":1,"do":"plug","device":"camera:fps=x"}"#, "fps"),
        (
            r#"{"id":1,"do":"unplug","name":"camera"}"#,
            "there is no 'camera' to unplug; plugged in: nothing",
        ),
        (
            r#"{"id":1,"do":"unplug","name":"camera","when":"raed"}"#,
            "there is no event 'raed'",
        ),
        (
            r#"{"id":1,"do":"fault","name":"camera","fault":"explode"}"#,
            "is called 'explode'",
        ),
        (
            r#"{"id":1,"do":"wait","event":"open","name":"camera"}"#,
            "there is no 'camera' to wait for",
        ),
        (
            r#"{"id":1,"do":"wait","event":"open","within_ms":99999999999}"#,
            "more than a day",
        ),
        (r#"{"id":1,"do":"spawn","argv":[]}"#, "'argv' is empty"),
        (r#"{"id":1,"do":"spawn","argv":["a\u0000"]}"#, "zero byte"),
        (
            r#"{"id":1,"do":"spawn","argv":["true"],"env":{"A=":"b"}}"#,
            "'A=' is no name of a variable",
        ),
        (
            r#"{"id":1,"do":"spawn","argv":["true"],"cwd":"/nowhere"}"#,
            "'cwd' is no directory: /nowhere",
        ),
        (
            r#"{"id":1,"do":"spawn","argv":["true"],"stdout":"/nowhere/x"}"#,
            "failed to open '/nowhere/x' as stdout",
        ),
        (
            r#"{"id":1,"do":"spawn","argv":["/etc"]}"#,
            "is it an executable file?",
        ),
        (
            r#"{"id":1,"do":"kill","program":1}"#,
            "there is no program 1; none was started",
        ),
        (
            r#"{"id":1,"do":"finish","report":"x.txt"}"#,
            "must end in .json",
        ),
    ] {
        let answer = session.ask(line);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{line}: {message}");
    }
    let spawned = session.ask(r#"{"id":1,"do":"spawn","argv":["true"],"iiod_only":true}"#);
    assert_eq!(spawned["ok"]["program"], 1);
    for (line, said) in [
        (
            r#"{"id":1,"do":"expect","program":1,"expected":"ends=1s"}"#,
            "without 'iiod_only'",
        ),
        (
            r#"{"id":1,"do":"expect","program":1,"expected":"ends"}"#,
            "write ends=2s",
        ),
        (
            r#"{"id":1,"do":"signal","program":1,"signal":"SIGNAL"}"#,
            "there is no signal 'SIGNAL'",
        ),
        (
            r#"{"id":1,"do":"signal","program":1,"signal":999}"#,
            "there is no signal 999",
        ),
    ] {
        let answer = session.ask(line);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{line}: {message}");
    }
    let ended = session.ask(r#"{"id":1,"do":"wait-program","program":1}"#);
    assert_eq!(ended["ok"]["status"], 0);
    // A pipe that nobody reads keeps nobody waiting.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let spawn = serde_json::json!({"id": 1, "do": "spawn", "argv": ["true"], "stdout": pipe});
    let answer = session.ask(&spawn.to_string());
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("nobody reads the other end"), "{message}");
}

#[test]
fn the_log_and_programs_without_files_go_to_its_errors_and_a_report_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut child = lastfd()
        .arg("bench")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut session = Session {
        asks: child.stdin.take(),
        answers: BufReader::new(child.stdout.take().unwrap()),
        child,
    };
    session.line();
    session.ask(r#"{"id":1,"do":"plug","device":"light"}"#);
    session.ask(r#"{"id":2,"do":"spawn","argv":["sh","-c","echo said; echo wrong >&2; cat"]}"#);
    let ended = session.ask(r#"{"id":3,"do":"wait-program","program":1}"#);
    assert_eq!(ended["ok"]["status"], 0);
    let finish = serde_json::json!({"id": 4, "do": "finish", "report": report, "events": true});
    let finished = session.ask(&finish.to_string());
    assert_eq!(finished["ok"]["verdict"]["clean"], true);
    assert!(
        finished["ok"]["events"]
            .as_array()
            .is_some_and(|events| !events.is_empty())
    );
    let mut errors = Vec::new();
    session
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_end(&mut errors)
        .unwrap();
    let errors = String::from_utf8_lossy(&errors);
    for said in ["said\n", "wrong\n", "plugged in", "exit status 0"] {
        assert!(errors.contains(said), "{said}: {errors}");
    }
    assert!(
        std::fs::read_to_string(report)
            .unwrap()
            .contains("\"rules\"")
    );
    assert_eq!(session.child.wait().unwrap().code(), Some(0));
}

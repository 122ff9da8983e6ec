//! Debian's clients of libiio 0.24, unmodified.
//!
//! They are in the packages libiio-utils and python3-libiio. Without them these tests say
//! so and pass, unless `LASTFD_REQUIRE_CLIENTS` is 1.

use crate::tree::Tree;
use crate::vectors::{command, stdout};
use lastfd_iiod::{Config, Server};
use lastfd_model::System;
use lastfd_sync::atomic::Ordering;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

/// The first of the programs that can be run with these arguments; tells if none can.
#[expect(clippy::print_stderr, reason = "says what was not tested")]
fn find(programs: &[&'static str], arguments: &[&str]) -> Option<&'static str> {
    let works = |program: &&&str| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = programs.iter().find(works);
    if found.is_none() {
        let missing = format!("{} {}", programs[0], arguments.join(" "));
        let required = std::env::var("LASTFD_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "required, and does not run: {missing}");
        eprintln!("skipped, as it does not run: {missing}");
    }
    found.copied()
}

fn have_tools() -> bool {
    find(&["iio_info"], &["--help"]).is_some()
}

/// The interpreter that has the module: the system's, which need not be the first found.
fn python() -> Option<&'static str> {
    find(&["/usr/bin/python3", "python3"], &["-c", "import iio"])
}

/// A program without privileges, which is killed if it hangs.
fn program(words: &[String]) -> Command {
    let mut command = Command::new("timeout");
    command.arg("--signal=KILL").arg("60").args(words);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command.current_dir("/");
    command
}

fn tool(words: &[&str], uri: &str) -> Command {
    let mut all = vec![words[0].to_owned(), "-u".to_owned(), uri.to_owned()];
    all.extend(words[1..].iter().map(|&word| word.to_owned()));
    program(&all)
}

fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it runs")
}

/// Lines without what they say of the machine and of the address.
fn portable(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let machine = ["Backend description string:", "\tlocal,kernel:", "\turi:"];
    let lines = text.lines();
    lines
        .map(|line| {
            let name = machine.iter().find(|name| line.starts_with(*name));
            name.map_or(line, |name| name).to_owned()
        })
        .collect()
}

/// Runs the clients of the vectors, if they are installed; each finds new devices, which
/// are kept as long as it is served.
pub(crate) fn compare<K>(plug: impl Fn() -> (System, K)) {
    if !have_tools() {
        return;
    }
    for name in CLIENTS {
        let (system, _devices) = plug();
        let server = Server::start(&system, Config::default()).expect("a server");
        let words = command(name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = run(tool(&words, &server.uri()));
        assert!(output.status.success(), "{name}: {output:?}");
        if name.starts_with("readdev") {
            assert_eq!(output.stdout, stdout(name), "{name}: {output:?}");
        } else {
            assert_eq!(portable(&output.stdout), portable(&stdout(name)), "{name}");
        }
        server.shutdown();
    }
}

/// The clients that need no output buffer.
const CLIENTS: [&str; 10] = [
    "iio_info",
    "attr_chn_list",
    "attr_chn_read",
    "attr_chn_write",
    "attr_dev_list",
    "attr_dev_read",
    "attr_dev_write",
    "readdev",
    "readdev_1ch",
    "readdev_trig",
];

#[test]
fn the_tools_print_what_they_printed_over_iiod() {
    compare(|| (Tree::new().system, ()));
}

/// A reader of the ADC is in the middle of it when the device goes.
pub(crate) fn unplug_under_a_reader(system: &System, unplug: impl FnOnce()) {
    if !have_tools() {
        return;
    }
    let server = Server::start(system, Config::default()).expect("a server");
    let mut command = tool(&["iio_readdev", "-b", "16", "lastfd-adc"], &server.uri());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut samples = [0; 512];
    let mut output = child.stdout.take().expect("a pipe");
    output.read_exact(&mut samples).expect("samples");
    assert_eq!(samples[..], stdout("readdev")[..512]);
    unplug();
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("the end");
    let end = child.wait_with_output().expect("the end");
    let errors = String::from_utf8_lossy(&end.stderr);
    assert!(errors.contains("No such device"), "{errors}");
    assert!(server.wait_idle(None));
}

#[test]
fn a_reader_is_told_that_the_device_has_gone() {
    let tree = Tree::new();
    unplug_under_a_reader(&tree.system, || tree.unplug());
    assert_eq!(tree.adc.source.open.load(Ordering::SeqCst), 0);
}

/// A Python program that waits where the test shall act.
struct Script {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Script {
    fn new(python: &str, text: &str, uri: &str) -> Script {
        let words = [python, "-u", "-c", text, uri].map(str::to_owned);
        let mut child = program(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Script { child, lines }
    }

    #[track_caller]
    fn expect(&mut self, wanted: &str) {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        assert_eq!(line.trim_end(), wanted);
    }

    fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(b"\n").expect("sent");
    }

    #[track_caller]
    fn end(mut self) {
        drop(self.child.stdin.take());
        self.expect("");
        assert!(self.child.wait().expect("the end").success());
    }
}

const SCRIPT: &str = r#"
import iio, sys
context = iio.Context(sys.argv[1])
print([d.id for d in context.devices])
adc, dac = context.find_device("lastfd-adc"), context.find_device("lastfd-dac")
rate = adc.attrs["sampling_frequency"]
print(rate.value)
rate.value = "10000"
print(rate.value)
print([(c.id, c.output, sorted(c.attrs)) for c in adc.channels])
print(adc.debug_attrs["direct_reg_access"].value, adc.find_channel("voltage1").attrs["raw"].value)
for channel in adc.channels:
    channel.enabled = True
buffer = iio.Buffer(adc, 8)
buffer.refill()
print(adc.find_channel("voltage1").read(buffer).hex())
sys.stdin.readline()
def attempt(what):
    try:
        return what()
    except OSError as error:
        return error.errno
print(attempt(buffer.refill), attempt(buffer.refill))
print(attempt(lambda: rate.value), attempt(lambda: setattr(rate, "value", "1")))
print(dac.find_channel("voltage0", True).attrs["raw"].value)
del buffer
"#;

/// A Python program uses the ADC before and after it goes, then the DAC.
pub(crate) fn unplug_under_python(system: &System, unplug: impl FnOnce()) {
    let Some(python) = python() else { return };
    let server = Server::start(system, Config::default()).expect("a server");
    let mut script = Script::new(python, SCRIPT, &server.uri());
    script.expect("['iio:device0', 'iio:device1', 'trigger0']");
    script.expect("1000");
    script.expect("10000");
    script.expect(
        "[('timestamp', False, []), ('voltage0', False, ['offset', 'raw', 'scale']), \
         ('voltage1', False, ['offset', 'raw', 'scale'])]",
    );
    script.expect("0x0 -200");
    script.expect("0000fffffefffdfffcfffbfffafff9ff");
    unplug();
    script.go_on();
    script.expect("19 19");
    script.expect("19 19");
    script.expect("0");
    script.end();
    assert!(server.wait_idle(None));
}

#[test]
fn python_sees_enodev_and_its_other_devices_go_on() {
    let tree = Tree::new();
    unplug_under_python(&tree.system, || tree.unplug());
    assert_eq!(tree.adc.source.open.load(Ordering::SeqCst), 0);
}

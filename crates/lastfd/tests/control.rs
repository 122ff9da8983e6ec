//! A run is asked from elsewhere, over its control socket.
#![cfg(all(feature = "devices", feature = "iiod"))]

use core::time::Duration;

use lastfd::Bench;
use lastfd::chrdev::OpenFlags;
use lastfd::host::control::{Client, Control, Request};
use lastfd::host::{Host, Inode, Opened, Options, Resolved};
use lastfd::sync::{Arc, thread};

struct Rig {
    bench: Bench,
    _control: Control,
    host: Arc<Host>,
    base: tempfile::TempDir,
}

fn rig() -> Rig {
    let bench = Bench::new();
    let base = tempfile::tempdir().unwrap();
    let options = Options {
        base: Some(base.path().join("runs")),
        ..bench.host_options()
    };
    let host = Arc::new(Host::new(bench.system(), options).unwrap());
    let control = Control::start(host.directory(), bench.commands(&host)).unwrap();
    Rig {
        bench,
        _control: control,
        host,
        base,
    }
}

impl Rig {
    fn client(&self) -> Client {
        Client::connect(Some(&self.base.path().join("runs")), None).unwrap()
    }

    fn ask(&self, request: Request) -> String {
        match self.client().ask(&request) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

fn name(text: &str) -> String {
    text.to_owned()
}

#[test]
fn hardware_is_plugged_in_bound_unbound_and_pulled_out() {
    let rig = rig();
    let plug = |device: &str| {
        rig.ask(Request::Plug {
            device: name(device),
        })
    };
    let mut told = vec![
        plug("camera"),
        plug("camera"),
        plug("toaster"),
        rig.ask(Request::Unbind {
            name: name("camera"),
        }),
        rig.ask(Request::Unbind {
            name: name("camera"),
        }),
        rig.ask(Request::Devices),
        rig.ask(Request::Bind {
            name: name("camera"),
        }),
        rig.ask(Request::Bind {
            name: name("camera"),
        }),
        rig.ask(Request::Unplug {
            name: name("camera2"),
        }),
        rig.ask(Request::Unplug {
            name: name("camera2"),
        }),
        rig.ask(Request::Unplug {
            name: name("display"),
        }),
        rig.ask(Request::Devices),
    ];
    let links = rig.host.directory().join("tree/dev/v4l/by-id");
    for link in std::fs::read_dir(links).unwrap() {
        told.push(link.unwrap().file_name().into_string().unwrap());
    }
    insta::assert_snapshot!(told.join("\n"));
    let Rig {
        bench,
        host,
        _control,
        ..
    } = rig;
    drop(_control);
    drop(host);
    bench.finish().assert_clean();
}

#[test]
fn an_event_is_waited_for_and_a_file_is_told_with_its_holder() {
    let rig = rig();
    rig.ask(Request::Plug {
        device: name("iio-adc"),
    });
    let mut client = rig.client();
    let waiting = thread::spawn("waiter", move || {
        let event = name("open");
        client.ask(&Request::Wait {
            event,
            within: Some(Duration::from_secs(60)),
        })
    })
    .unwrap();
    // The wait counts from its request on: open until it has seen one.
    let mut opened = Vec::new();
    while !waiting.is_finished() {
        let Resolved::Here(entry) = rig.host.resolve(b"/dev/iio:device0", true) else {
            panic!()
        };
        // One at a time: the converter is opened by one only.
        opened.clear();
        if let Ok(Opened::Device(file)) = rig.host.open(&entry, OpenFlags::RDONLY) {
            opened.push(file);
        }
        thread::yield_now();
    }
    let event = waiting.join().unwrap().unwrap();
    assert!(
        event["event"]
            .as_str()
            .unwrap()
            .contains("/dev/iio:device0"),
        "{event}"
    );

    // A child holds a file that stands for the open one.
    let stand_in = tempfile::tempfile().unwrap();
    let stat = rustix::fs::fstat(&stand_in).unwrap();
    let inode = Inode {
        dev: stat.st_dev,
        ino: stat.st_ino,
    };
    let now = rig.bench.system().clock().now();
    rig.host
        .holders()
        .opened(opened[0].file().name(), inode, 4711, now);
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .stdin(stand_in)
        .spawn()
        .unwrap();
    let files = rig.client().ask(&Request::Files).unwrap();
    assert_eq!(files[0]["path"], "/dev/iio:device0");
    assert_eq!(files[0]["opener"], 4711);
    assert_eq!(files[0]["held_by"][0]["pid"], child.id());
    assert_eq!(files[0]["held_by"][0]["command"], "sleep");
    assert_eq!(files[0]["held_by"][0]["descriptors"][0], 0);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(opened);
    assert_eq!(rig.ask(Request::Files), "[]");
}

#[test]
fn a_wait_ends_with_its_time_and_with_the_run() {
    let rig = rig();
    let wait = |event: &str, within| Request::Wait {
        event: name(event),
        within,
    };
    let soon = Some(Duration::from_millis(1));
    assert_eq!(
        rig.ask(wait("read:3", soon)),
        "'read:3' did not come in that time; it came 0 times"
    );
    assert!(
        rig.ask(wait("300ms", None))
            .starts_with("'300ms' is a time; ")
    );
    assert!(
        rig.ask(wait("raed", None))
            .starts_with("there is no event 'raed'")
    );
    let mut client = rig.client();
    let forever = wait("open", None);
    let waiting = thread::spawn("waiter", move || client.ask(&forever)).unwrap();
    let Rig { _control, base, .. } = rig;
    drop(_control);
    // It was heard or it was not; in no case does it hang.
    assert!(waiting.join().unwrap().is_err());
    drop(base);
}

#[test]
fn without_a_run_and_with_several_it_is_said_what_to_do() {
    let (one, base) = (Bench::new(), tempfile::tempdir().unwrap());
    let runs = base.path().join("runs");
    let none = Client::connect(Some(&runs), None).unwrap_err();
    assert_eq!(
        none.to_string(),
        "no run of yours is there to be asked; start one: lastfd run --device camera -- PROGRAM"
    );
    let start = |bench: &Bench| {
        let options = Options {
            base: Some(runs.clone()),
            ..bench.host_options()
        };
        let host = Arc::new(Host::new(bench.system(), options).unwrap());
        let control = Control::start(host.directory(), bench.commands(&host)).unwrap();
        (control, host)
    };
    let two = Bench::new();
    let (_first, _second) = (start(&one), start(&two));
    let pid = std::process::id();
    let several = Client::connect(Some(&runs), None).unwrap_err().to_string();
    assert!(
        several.starts_with("several runs are there; say which with --run ID:\n"),
        "{several}"
    );
    assert!(several.contains(&format!("{pid}.0")) && several.contains(&format!("{pid}.1")));
    assert!(Client::connect(Some(&runs), Some(&format!("{pid}.1"))).is_ok());
    let other = Client::connect(Some(&runs), Some("1.7"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        other,
        format!("no run is called '1.7'; there are: {pid}.0, {pid}.1")
    );
}

/// As a cleaner of `/tmp` may.
#[test]
fn a_run_whose_directory_was_taken_away_comes_to_its_end() {
    let bench = Bench::new();
    let directory = bench.host().unwrap().directory().to_owned();
    std::fs::remove_dir_all(&directory).unwrap();
    bench.finish().assert_clean();
    assert!(!directory.exists());
}

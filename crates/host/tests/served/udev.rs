//! What udev says and keeps of each kind of device.

use std::fmt::Write as _;

use lastfd_chrdev::OpenFlags;
use lastfd_host::{Group, Opened, Resolved};
use lastfd_sync::{Arc, Mutex};

use crate::world::{World, world};

/// Every datagram from here on, one line each property, with its group and header.
fn listen(world: &World) -> (Arc<Mutex<String>>, Vec<lastfd_host::Uevents>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let listen = |group| {
        let heard = Arc::clone(&heard);
        let sink = move |group: Group, datagram: &[u8]| {
            let mut heard = heard.lock();
            let (header, text) = match group {
                Group::Kernel => (&datagram[..0], datagram),
                Group::Udev => datagram.split_at(40),
            };
            let _ = writeln!(heard, "{group:?} {}", hex(header));
            assert_eq!(text.last(), Some(&0));
            for line in text[..text.len() - 1].split(|&byte| byte == 0) {
                let _ = writeln!(heard, "  {}", String::from_utf8_lossy(line));
            }
        };
        world.host.uevents(group, Arc::new(sink))
    };
    let listening = vec![listen(Group::Kernel), listen(Group::Udev)];
    (heard, listening)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(4)
        .map(|word| {
            word.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                + " "
        })
        .collect()
}

/// What is heard when the kind is plugged in and pulled out again. Each kernel's word
/// comes first, since udev has time to finish in between.
fn heard_of(kind: &str) -> String {
    let mut world = world(&[]);
    let (heard, _listening) = listen(&world);
    world.plug(kind);
    world.host.settle();
    heard.lock().push_str("\n-- unplugged --\n\n");
    world.plugged[0].unplug();
    world.host.settle();
    let heard = heard.lock();
    group(&heard)
}

/// The kernel's datagrams, then udev's: the two tasks take turns as they will.
fn group(heard: &str) -> String {
    let mut text = String::new();
    for half in heard.split("\n-- unplugged --\n\n") {
        for who in ["Kernel", "Udev"] {
            let mut mine = false;
            for line in half.lines() {
                if !line.starts_with(' ') {
                    mine = line.starts_with(who);
                }
                if mine {
                    let _ = writeln!(text, "{}", line.trim_end());
                }
            }
        }
        text.push_str("--\n");
    }
    text
}

#[test]
fn uevents_of_a_camera() {
    insta::assert_snapshot!(heard_of("camera"));
}

#[test]
fn uevents_of_an_adc() {
    insta::assert_snapshot!(heard_of("iio-adc"));
}

#[test]
fn uevents_of_a_display() {
    insta::assert_snapshot!(heard_of("display"));
}

#[test]
fn uevents_of_a_cec_adapter() {
    insta::assert_snapshot!(heard_of("cec"));
}

#[test]
fn the_database_of_what_was_there_before_the_host() {
    let world = world(&["camera", "iio-adc", "display", "cec"]);
    let mut text = world.listing("/run/udev");
    for line in text
        .clone()
        .lines()
        .filter(|line| line.starts_with("/run/udev/data/") && line.ends_with(" data"))
    {
        let path = line.trim_end_matches(" data");
        let Ok(Opened::Data(bytes)) = world.host.open(&world.entry(path), OpenFlags::RDONLY) else {
            panic!("{path}")
        };
        let _ = writeln!(text, "\n{path}:\n{}", String::from_utf8_lossy(&bytes));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn links_lead_to_their_node_and_go_with_it() {
    let mut world = world(&["camera"]);
    let link = "/dev/dri/by-path/platform-display-card";
    let real = world.host.directory().join("tree").join(&link[1..]);
    world.plug("display");
    world.host.settle();
    assert_eq!(world.entry(link).path(), "/dev/dri/card0");
    assert_eq!(
        std::fs::read_link(&real).unwrap().to_str(),
        Some("../../dri/card0")
    );
    world.plugged[1].unplug();
    world.host.settle();
    assert!(matches!(
        world.host.resolve(link.as_bytes(), false),
        Resolved::Absent(_)
    ));
    assert!(real.symlink_metadata().is_err());
    assert!(!real.parent().unwrap().exists());
}

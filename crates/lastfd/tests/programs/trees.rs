//! What programs see happen in `/dev`, and what they cannot do there and in `/sys`.

use lastfd::{Bench, Ending};

use crate::compile;
use crate::talk::Talk;

/// Watches a node of this device while it is unplugged.
fn watched(spec: &str, node: &str) {
    let Some(program) = compile::c("watch") else {
        return;
    };
    let bench = Bench::new();
    let device = bench.plug_spec(&spec.parse().unwrap()).unwrap();
    let watch = Talk::start(bench.command(&program).arg(node), "watching");
    device.unplug();
    let name = node.rsplit('/').next().unwrap();
    let (mut seen, ending) = watch.end();
    // What udev does to a new node may be seen first.
    seen.dedup();
    let expected = ["the node: ATTRIB".to_owned(), format!("{name}: DELETE")];
    assert_eq!(
        (&seen[..], ending),
        (&expected[..], Ending::Exited(0)),
        "{spec}"
    );
    bench.finish().assert_clean();
}

#[test]
fn inotify_tells_of_a_node_that_goes() {
    for (spec, node) in [
        ("camera", "/dev/video0"),
        ("cec", "/dev/cec0"),
        ("display", "/dev/dri/card0"),
        ("iio-adc", "/dev/iio:device0"),
    ] {
        watched(spec, node);
    }
}

#[test]
fn the_folder_of_cards_goes_with_the_last_of_them() {
    let bench = Bench::new();
    let card = || bench.plug_spec(&"display".parse().unwrap()).unwrap();
    let (first, second) = (card(), card());
    let there = || {
        let ls = bench.command("ls").args(["-d", "/dev/dri"]);
        ls.output().unwrap().ending == Ending::Exited(0)
    };
    first.unplug();
    assert!(there());
    second.unplug();
    assert!(!there());
    bench.finish().assert_clean();
}

#[test]
fn what_is_written_to_sys_is_stored_refused_with_its_error_or_binds() {
    const NAMES: &str = "\
        iio=/sys/bus/iio/devices/iio:device0; \
        register=/sys/kernel/debug/iio/iio:device0/direct_reg_access; \
        driver=/sys/bus/platform/drivers/camera; \
        override=/sys/devices/platform/camera/driver_override; \
        export LC_ALL=C; set -e; ";
    let bench = Bench::new();
    for spec in ["camera", "iio-adc"] {
        bench.plug_spec(&spec.parse().unwrap()).unwrap();
    }
    for line in [
        // A write runs store, a read show; each gives its error.
        "echo 7 > $iio/in_voltage0_offset; test $(cat $iio/in_voltage0_offset) = 7",
        "printf x | tee $iio/in_voltage0_offset 2>&1 | grep 'Invalid argument'",
        "echo 0x10 > $register; test $(cat $register) = 0x64",
        "printf 3 > $register; cat $register 2>&1 | grep 'Invalid argument'",
        // Of an attribute whose device goes while it is open.
        "exec 3< $iio/name 4< /sys/class/video4linux/video0/name; echo camera > $driver/unbind; \
         cat <&3; cat <&4 2>&1 | grep 'No such device'; echo camera > $driver/bind",
        // Drivers are unbound and bound.
        "echo camera > $driver/unbind; test ! -e /dev/video0; test ! -e $driver/camera; \
         echo camera > $driver/bind; test -c /dev/video0; test -d $driver/camera",
        "printf none | tee $driver/bind 2>&1 | grep 'No such device'",
        "echo camera > $driver/unbind; echo other > $override; test $(cat $override) = other; \
         printf camera | tee $driver/bind 2>&1 | grep 'No such device'; test ! -e /dev/video0; \
         echo > $override; echo camera > /sys/bus/platform/drivers_probe; test -c /dev/video0",
    ] {
        let sh = bench.command("sh").args(["-c", &[NAMES, line].concat()]);
        let output = sh.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.ending, Ending::Exited(0), "{line}: {said}");
    }
    bench.finish().assert_clean();
}

/// The machine's own, as this process sees it.
fn machine() -> (String, Vec<String>) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let nodes = std::fs::read_dir("/dev").unwrap();
    let name = |node: std::io::Result<std::fs::DirEntry>| {
        node.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut nodes: Vec<String> = nodes.map(name).collect();
    nodes.sort();
    (mounts, nodes)
}

#[test]
fn a_program_with_all_rights_does_not_reach_the_machines_sys_and_dev() {
    let tries = [
        "mount -t tmpfs lastfd /sys",
        "mount -t tmpfs lastfd /dev",
        "mount --bind /tmp /sys",
        "umount /dev",
        "echo x > /dev/lastfd-file",
        "mkdir /dev/lastfd-folder",
        "mknod /dev/lastfd-node c 81 0",
        "ln -s /tmp /dev/lastfd-link",
        "rm /dev/video0",
        "chmod 777 /dev/video0",
        "echo x > /sys/kernel/lastfd-file",
        "cd /sys && echo x > lastfd-file",
        "mkdir /sys/lastfd-folder",
        "rm -r /sys/class/video4linux",
        "ln -s /sys $D/sys && echo x > $D/sys/kernel/lastfd-file",
        "ln -s /sys/kernel $D/kernel && cd $D/kernel && echo x > lastfd-file",
        "ln -s /dev $D/dev && echo x > $D/dev/lastfd-file",
        "ln -s /dev $D/dev2 && mkdir $D/dev2/lastfd-folder",
        "ln -s /dev $D/dev3 && rm $D/dev3/null",
        "ln -s /dev/null $D/null && chmod 600 $D/null",
        "mkdir $D/a && mount -t sysfs lastfd $D/a",
        "mkdir $D/b && mount -t devtmpfs lastfd $D/b",
        "mkdir $D/c && mount --bind /dev $D/c",
        "mkdir $D/d && mount --rbind / $D/d",
        "ln -s /sys $D/e1 && mkdir $D/e && mount --bind $D/e1 $D/e",
    ];
    let folder = tempfile::tempdir().unwrap();
    let before = machine();
    let bench = Bench::new();
    bench.plug_spec(&"camera".parse().unwrap()).unwrap();
    for line in tries {
        let line = line.replace("$D", folder.path().to_str().unwrap());
        // In mounts of its own, should one succeed after all.
        let private = rustix::process::geteuid().is_root() && compile::has("unshare");
        let output = match private {
            true => bench.command("unshare").args(["-m", "sh", "-c", &line]),
            false => bench.command("sh").args(["-c", &line]),
        };
        let output = output.output().unwrap();
        assert_ne!(output.ending, Ending::Exited(0), "{line}");
    }
    let still = bench
        .command("ls")
        .args(["/dev/video0", "/sys/class/video4linux/video0/name"]);
    assert_eq!(still.output().unwrap().ending, Ending::Exited(0));
    bench.finish();
    assert_eq!(machine(), before);
}

//! What a test of a program can ask of a bench: events of one device, programs that run on,
//! their surroundings.
#![cfg(all(feature = "devices", feature = "iiod"))]

use std::process::Stdio;
use std::time::Duration;

use lastfd::chrdev::{OpenFlags, open};
use lastfd::devices::{Camera, IioAdc};
use lastfd::model::raw::attr_read;
use lastfd::{Bench, Broken, Ending, Expectations, Met, Occasion};

const SOON: Duration = Duration::from_secs(20);
const NOW: Duration = Duration::ZERO;

fn event(text: &str) -> Occasion {
    text.parse().unwrap()
}

fn expected(text: &str) -> Expectations {
    text.parse().unwrap()
}

#[test]
fn events_are_counted_of_one_device_from_the_beginning() {
    let bench = Bench::new();
    let [first, second] = [(); 2].map(|()| bench.plug(Camera::default()).unwrap());
    for node in ["/dev/video0", "/dev/video1", "/dev/video0"] {
        open(bench.system(), node, OpenFlags::RDWR).unwrap();
    }
    bench.wait_for(event("open:3"), NOW).unwrap();
    bench.wait_for_of(&first, event("open:2"), NOW).unwrap();
    bench.wait_for_of(&first, event("close:2"), NOW).unwrap();
    let not = bench.wait_for_of(&second, event("open:2"), NOW);
    let said = not.unwrap_err().to_string();
    assert!(
        said.starts_with("'open:2' did not come within 0ns: it came once; "),
        "{said}"
    );
    // Also of one that has gone.
    first.unplug();
    bench.wait_for_of(&first, event("close:2"), NOW).unwrap();
    bench.finish().assert_clean();
}

#[test]
fn what_a_driver_makes_when_it_is_bound_again_belongs_to_the_device_too() {
    let bench = Bench::new();
    let adc = bench.plug(IioAdc::default()).unwrap();
    // Planned before there is the device that it will be about.
    bench
        .unplug_when(&adc, "show:name".parse().unwrap())
        .unwrap();
    adc.unbind();
    adc.rebind().unwrap();
    let node = bench.system().dev_nodes().remove(0);
    attr_read(&node.device, "name").unwrap();
    drop(node);
    let gone = |event: &lastfd::Event| event.kind.to_string().contains("unplug done");
    bench.wait_for(gone, SOON).unwrap();
    bench.wait_for_of(&adc, event("show:name"), NOW).unwrap();
    bench.finish().assert_clean();
}

#[test]
fn a_program_that_runs_on_is_watched_for_a_while() {
    let bench = Bench::new();
    let camera = bench.plug(Camera::default()).unwrap();
    let holder = |script: &str| {
        let command = bench.command("sh").args(["-c", script]);
        let command = command.stdin(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let shell = holder("exec 9</dev/video0; read -r go; exec 9<&-; exec sleep 1000");
    // Nothing went: that is no success.
    let broken = expected("closes=10s").watch_for(&shell, Duration::from_millis(20));
    let broken = broken.unwrap_err();
    assert!(matches!(&broken, Broken::NeverGone { ending: None, .. }));
    assert!(
        broken.to_string().contains("runs, and no device went"),
        "{broken}"
    );
    bench.wait_for(event("open"), SOON).unwrap();
    camera.unplug();
    // Its input is ours, which is empty: it closes.
    let met = expected("closes=500ms,no-spin,no-crash").watch_for(&shell, NOW);
    assert_eq!(met, Ok(Met::RunsOn));
    let broken = expected("ends=100ms").watch_for(&shell, NOW).unwrap_err();
    assert!(matches!(broken, Broken::Alive(_)), "{broken}");
    shell.kill();

    // What went before a program began is nothing to it.
    let late = holder("exec sleep 1000");
    let broken = expected("ends=1ms").watch_for(&late, Duration::from_millis(20));
    assert!(
        matches!(broken, Err(Broken::NeverGone { .. })),
        "{broken:?}"
    );
    late.kill();
    bench.finish().assert_clean();
}

#[test]
fn a_program_has_its_variables_and_directory_and_is_waited_for_twice() {
    let bench = Bench::new();
    let script = "[ \"$KEPT:${TAKEN-none}:$PWD\" = it:none:/usr ]";
    for iiod_only in [false, true] {
        let program = bench
            .command("sh")
            .args(["-c", script])
            .env("KEPT", "it")
            .env("TAKEN", "it")
            .env_remove("TAKEN")
            .current_dir("/usr")
            .iiod_only(iiod_only)
            .spawn()
            .unwrap();
        assert_eq!(program.wait_within(SOON), Ok(Ending::Exited(0)));
        assert_eq!(program.wait_within(NOW), Ok(Ending::Exited(0)));
    }
    let sleep = bench.command("sleep").arg("1000").iiod_only(true);
    let sleep = sleep.spawn().unwrap();
    assert_eq!(sleep.ending(), None);
    assert!(sleep.wait_within(Duration::from_millis(10)).is_err());
    sleep.signaller().send(15);
    assert_eq!(sleep.wait_within(SOON), Ok(Ending::Killed(15)));
    drop(sleep);
    // Each end is told once.
    let report = bench.finish();
    assert_eq!(report.verdict().programs.len(), 3, "{}", report.verdict());
}

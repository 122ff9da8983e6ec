//! The bench, as a test of one's own driver or program uses it.

use std::time::Duration;

use lastfd::chrdev::{OpenFlags, open};
use lastfd::devices::IioAdc;
use lastfd::model::raw::{
    PlatformId, attr_read, attr_write, driver_register, driver_unregister, get_device,
    platform_device_register, put_device, root_device_register,
};
use lastfd::model::typed;
use lastfd::sync::{Arc, Cancel, Clock, Mutex};
use lastfd::{Bench, Ending, Errno, Event, EventKind, Keep, Manner, Trigger, When};

const SOON: Duration = Duration::from_secs(10);

/// A driver that refuses, panics or forgets, as told.
struct Odd;

#[derive(Clone, Copy, PartialEq)]
enum Oddity {
    None,
    Refuses,
    Panics,
}

impl typed::Driver for Odd {
    type Info = Oddity;

    fn probe(_: &typed::Device<typed::Bound>, oddity: &Oddity) -> lastfd::model::Result<Odd> {
        match oddity {
            Oddity::None => Ok(Odd),
            Oddity::Refuses => Err(Errno::EIO),
            Oddity::Panics => panic!("this probe panics"),
        }
    }
}

fn on(trigger: Trigger) -> When {
    When::On { trigger, count: 1 }
}

#[test]
fn an_adc_pulled_out_under_a_sleeping_reader_gives_enodev() {
    let bench = Bench::builder().clock(Clock::simulated()).build();
    let adc = bench.plug(IioAdc::default()).unwrap();
    let node = bench.system().dev_nodes().remove(0);
    let file = open(bench.system(), "/dev/iio:device0", OpenFlags::RDWR).unwrap();
    attr_write(&node.device, "scan_elements/in_voltage0_en", b"1").unwrap();
    attr_write(&node.device, "buffer/enable", b"1").unwrap();
    bench
        .unplug_when(&adc, on(Trigger::Blocked("read".into())))
        .unwrap();
    assert_eq!(file.read(&mut [0; 64]), Err(Errno::ENODEV));
    drop((file, node));

    let report = bench.finish();
    report.assert_clean();
    let removal = &report.verdict().removals[0];
    assert_eq!(
        (&*removal.name, removal.manner),
        ("iio-adc", Manner::Unplug)
    );
    assert_eq!(&*removal.cause, "on blocked:read:1");
    let held: Vec<String> = removal.held.iter().map(ToString::to_string).collect();
    assert!(
        held.iter()
            .any(|line| line.contains("waiter read on /dev/iio:device0")),
        "{held:#?}"
    );
    let went = |what: &str| {
        removal
            .released
            .iter()
            .position(|r| r.text.starts_with(what))
    };
    let close = went("last close of /dev/iio:device0");
    assert!(close.is_some() && close < went("release of iio:device0"));
}

#[test]
fn names_are_counted_by_kind_and_found() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.plug(IioAdc::default()).unwrap();
        bench.plug_driver::<Odd>("odd", Oddity::None).unwrap();
    }
    let names: Vec<String> = bench
        .plugged()
        .iter()
        .map(|p| p.name().to_owned())
        .collect();
    assert_eq!(
        names,
        ["iio-adc", "odd", "iio-adc2", "odd2", "iio-adc3", "odd3"]
    );
    assert!(bench.find("iio-adc2").is_some());
    assert!(bench.find("iio-adc4").is_none());
    bench.finish().assert_clean();
}

#[test]
fn a_probe_that_fails_leaves_hardware_without_a_driver() {
    let bench = Bench::new();
    let odd = bench.plug_driver::<Odd>("odd", Oddity::Refuses).unwrap();
    assert!(odd.device().driver().is_none());
    let refused = |event: &Event| {
        matches!(
            event.kind,
            EventKind::ProbeEnd {
                result: Err(Errno::EIO),
                ..
            }
        )
    };
    bench.wait_for(refused, SOON).unwrap();
    bench.finish().assert_clean();
}

#[test]
fn a_probe_that_panics_is_a_finding_and_the_rest_goes_on() {
    let bench = Bench::new();
    bench.plug_driver::<Odd>("odd", Oddity::Panics).unwrap();
    let adc = bench.plug(IioAdc::default()).unwrap();
    let iio = bench.system().dev_nodes().remove(0).device;
    assert_eq!(attr_read(&iio, "in_voltage0_raw").unwrap(), b"100\n");
    adc.unplug();
    let report = bench.finish();
    let verdict = report.verdict();
    assert!(verdict.blames_a_driver());
    assert_eq!(verdict.findings.len(), 1);
    assert!(
        verdict.findings[0].text.contains("this probe panics"),
        "{verdict}"
    );
    assert_eq!(verdict.summary(), "1 finding");
}

#[test]
fn a_reference_that_is_never_dropped_is_a_leak() {
    let bench = Bench::new();
    let board = root_device_register(bench.system(), "board").unwrap();
    get_device(&board);
    bench.adopt("board", board.clone()).unplug();
    let report = bench.finish();
    let verdict = report.verdict();
    assert!(verdict.blames_a_driver(), "{verdict}");
    assert!(verdict.to_string().contains("board"), "{verdict}");
    assert!(!verdict.is_clean());
    put_device(&board);
}

#[test]
fn hardware_is_unbound_bound_again_and_unplugged_once() {
    let bench = Bench::new();
    let odd = bench.plug_driver::<Odd>("odd", Oddity::None).unwrap();
    odd.unbind();
    assert!(odd.device().driver().is_none());
    odd.rebind().unwrap();
    assert!(odd.device().driver().is_some());
    odd.unplug();
    odd.unplug();
    odd.unbind();
    assert!(odd.is_unplugged() && odd.device().is_released());
    let report = bench.finish();
    report.assert_clean();
    let manners: Vec<Manner> = report.verdict().removals.iter().map(|r| r.manner).collect();
    assert_eq!(manners, [Manner::Unbind, Manner::Unplug]);
}

#[test]
fn a_removal_at_a_time_comes_then() {
    let bench = Bench::builder().clock(Clock::simulated()).build();
    let adc = bench.plug(IioAdc::default()).unwrap();
    bench
        .unplug_when(&adc, When::At(Duration::from_millis(300)))
        .unwrap();
    bench.run_client(&Cancel::new()).unwrap();
    let report = bench.finish();
    report.assert_clean();
    assert_eq!(
        report.verdict().removals[0].began.since_start(),
        Duration::from_millis(300)
    );
}

#[test]
fn a_client_that_finds_something_wrong_says_so() {
    let bench = Bench::new();
    bench.plug(IioAdc::default()).unwrap();
    let _busy = open(bench.system(), "/dev/iio:device0", OpenFlags::RDWR).unwrap();
    let ending = bench.run_client(&Cancel::new()).unwrap();
    assert_eq!(
        ending,
        Ending::Failed("failed to open /dev/iio:device0: EBUSY".into())
    );
    drop(_busy);
    let verdict = bench.finish().verdict().clone();
    assert!(
        !verdict.is_clean() && !verdict.blames_a_driver(),
        "{verdict}"
    );
}

#[test]
fn what_does_not_come_is_told_with_the_last_that_did() {
    let bench = Bench::builder().clock(Clock::simulated()).build();
    bench.plug_driver::<Odd>("odd", Oddity::None).unwrap();
    let error = bench.wait_for(Trigger::Open, SOON).unwrap_err();
    assert_eq!(
        error.to_string(),
        "'open' did not come within 10s; the last event was: \
         odd: plugged in as odd.0"
    );
    bench.finish().assert_clean();
}

#[test]
fn a_program_is_given_the_address_and_judged_by_its_end() {
    let bench = Bench::new();
    let adc = bench.plug(IioAdc::default()).unwrap();
    // A client of a few lines: it stays until it reads that the device is gone.
    let script = "a=${1#ip:}; exec 3<>/dev/tcp/${a%:*}/${a##*:}; \
                  while printf 'READ lastfd-adc name\\r\\n' >&3 && read -r l <&3 && [ \"$l\" -gt 0 ]; \
                  do read -r v <&3; done; echo \"$l\"";
    let program = bench
        .command("bash")
        .args(["-c", script, "bash", "{uri}"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    bench
        .wait_for(Trigger::Show(Some("name".into())), SOON)
        .unwrap();
    adc.unplug();
    let output = program.output().unwrap();
    assert_eq!(output.ending, Ending::Exited(0));
    assert_eq!(output.stdout, b"-19\n");
    assert!(bench.wait_for_clients(SOON));
    bench.finish().assert_clean();
}

#[test]
fn a_program_that_is_dropped_is_killed() {
    let bench = Bench::new();
    let program = bench.command("sleep").arg("600").spawn().unwrap();
    drop(program);
    let report = bench.finish();
    assert_eq!(
        report.verdict().programs,
        [("sleep".into(), Ending::Killed(9))]
    );
}

#[test]
fn what_the_verdict_does_not_need_is_not_kept() {
    let bench = Bench::builder()
        .keep(Keep::Verdict)
        .clock(Clock::simulated())
        .build();
    bench.plug(IioAdc::default()).unwrap();
    bench.run_client(&Cancel::new()).unwrap();
    let report = bench.finish();
    report.assert_clean();
    assert_eq!(report.verdict().removals.len(), 1);
    let calls = |event: &&Event| matches!(event.kind, EventKind::OperationEnd { .. });
    assert_eq!(report.events().iter().filter(calls).count(), 0);
}

#[test]
fn a_listener_is_told_to_the_very_end() {
    let last = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&last);
    let bench = Bench::builder()
        .listener(Arc::new(move |event: &Event| {
            *seen.lock() = event.kind.to_string()
        }))
        .build();
    let board = root_device_register(bench.system(), "board").unwrap();
    bench.finish();
    assert!(last.lock().starts_with("leak: "), "{}", last.lock());
    drop(board);
}

/// A driver that keeps its managed state in a file's reach.
mod forgetful {
    use lastfd::System;
    use lastfd::chrdev::{
        File, FileOps, MISC_DYNAMIC_MINOR, Miscdevice, Read, Try, misc_deregister, misc_register,
    };
    use lastfd::model::raw::{
        Action, DevMem, Driver, devm_add_action, devm_kzalloc, platform_driver,
    };
    use lastfd::sync::Arc;

    struct Shown(DevMem);

    impl FileOps for Shown {
        fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
            call.write(0, &self.0.read(0..4)).map(|()| 4).into()
        }
    }

    pub(super) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "forgetful");
        driver.set_probe(|device| {
            let shown = Arc::new(Shown(devm_kzalloc(device, 4)?));
            let misc = Miscdevice::new("forgetful", MISC_DYNAMIC_MINOR, shown, Some(device));
            let system = device.system();
            misc_register(&system, &misc)?;
            devm_add_action(device, Action::new(move || misc_deregister(&system, &misc)))
        });
        driver
    }
}

/// Plugs the forgetful device in, reads it once, keeps it open over the unplug.
fn use_the_forgetful(bench: &Bench) {
    let driver = forgetful::driver(bench.system());
    driver_register(&driver).unwrap();
    let made = platform_device_register(bench.system(), "forgetful", PlatformId::None);
    let device = bench.adopt("forgetful", made.unwrap());
    let file = open(bench.system(), "/dev/forgetful", OpenFlags::RDONLY).unwrap();
    file.read(&mut [0; 4]).unwrap();
    device.unplug();
    file.read(&mut [0; 4]).unwrap();
    drop(file);
    driver_unregister(&driver);
}

#[test]
fn a_broken_lifetime_rule_is_in_the_verdict_with_its_proof_and_its_splat_is_not() {
    let bench = Bench::builder().clock(Clock::simulated()).build();
    use_the_forgetful(&bench);
    assert_eq!(bench.findings()[0].rule.number, 11);
    let report = bench.finish();
    let verdict = report.verdict();
    assert!(verdict.blames_a_driver());
    assert_eq!(verdict.findings.len(), 1, "{verdict}");
    let text = verdict.to_string();
    for part in [
        "finding   G11 ",
        "proof",
        "to fix it",
        "docs/gremlins/g11.md",
        "use after free",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let json = report.to_json();
    assert!(json.contains("\"rule\": 11"), "{json}");
}

#[test]
fn without_the_sanitizer_the_splat_is_what_is_left() {
    let bench = Bench::builder()
        .clock(Clock::simulated())
        .sanitizer(false)
        .build();
    use_the_forgetful(&bench);
    assert!(bench.findings().is_empty());
    let report = bench.finish();
    let findings = &report.verdict().findings;
    assert_eq!(findings.len(), 1, "{}", report.verdict());
    assert!(findings[0].lifetime.is_none());
}

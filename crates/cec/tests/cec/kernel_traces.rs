//! The lifetimes recorded from a kernel (oracle traces p1 and p2): reference
//! counts after each step, and who is released when.

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFlags, PollTable, open};
use lastfd_model::raw::{Driver, *};
use lastfd_model::{Errno, Event, EventKind, Rules, System};
use lastfd_sync::{Arc, Clock, Mutex};

struct Recorded {
    system: System,
    driver: Driver,
    device: Device,
    adap: CecAdapter,
    log: Arc<Mutex<Vec<String>>>,
    _listener: lastfd_model::Subscription,
}

/// The driver of the trace.
fn plug(rules: Rules) -> Recorded {
    let system = System::builder()
        .clock(Clock::simulated())
        .rules(rules)
        .ledger(true)
        .build();
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = system.subscribe(Arc::new({
        let log = Arc::clone(&log);
        move |event: &Event| {
            if let EventKind::Released { device } = &event.kind {
                log.lock().push(format!("RELEASE {device}"));
            }
        }
    }));
    let made: Arc<Mutex<Option<CecAdapter>>> = Arc::default();
    let driver = Driver::new("lf-p", &platform_bus(&system));
    driver.set_probe({
        let (log, made) = (Arc::clone(&log), Arc::clone(&made));
        move |device| {
            let action = Arc::clone(&log);
            devm_add_action(
                device,
                Action::new(move || action.lock().push("devm-action A1".into())),
            )?;
            let note = |text: &'static str| {
                let log = Arc::clone(&log);
                move || log.lock().push(text.into())
            };
            let (enable, log_addr, transmit, free) = (
                note("adap_enable"),
                note("adap_log_addr"),
                note("adap_transmit"),
                note("cec adap_free"),
            );
            let ops = CecAdapOps {
                adap_enable: Some(Arc::new(move |_, _| {
                    enable();
                    Ok(())
                })),
                adap_log_addr: Some(Arc::new(move |_, _| {
                    log_addr();
                    Ok(())
                })),
                adap_transmit: Some(Arc::new(move |_, _, _, _| {
                    transmit();
                    Ok(())
                })),
                adap_free: Some(Arc::new(move |_| free())),
                ..CecAdapOps::default()
            };
            let caps = CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT | CEC_CAP_PASSTHROUGH | CEC_CAP_RC;
            let adap = cec_allocate_adapter(&device.system(), ops, None, "lfcec", caps, 1)?;
            cec_register_adapter(&adap, device)?;
            *made.lock() = Some(adap);
            Ok(())
        }
    });
    driver.set_remove({
        let (log, made) = (Arc::clone(&log), Arc::clone(&made));
        move |_| {
            log.lock().push("cec_unregister_adapter ...".into());
            let adap = made.lock().clone().unwrap();
            cec_unregister_adapter(&adap);
            log.lock().push("... done".into());
        }
    });
    driver_register(&driver).unwrap();
    let device = platform_device_alloc(&system, "lf-p", PlatformId::None).unwrap();
    platform_device_add(&device).unwrap();
    let adap = made.lock().take().unwrap();
    *made.lock() = Some(adap.clone());
    Recorded {
        system,
        driver,
        device,
        adap,
        log,
        _listener: listener,
    }
}

const BOTH_RULES: [Rules; 2] = [Rules::Linux6_12, Rules::LinuxPre6_6];

#[test]
fn p1_without_a_file_the_adapter_goes_inside_unregister() {
    for rules in BOTH_RULES {
        let p = plug(rules);
        let cecdev = p.adap.device().unwrap();
        assert_eq!(&*cecdev.name(), "cec0");
        assert_eq!(kref_read(&cecdev), 4);
        assert_eq!(kref_read(&p.device), 5);
        platform_device_unregister(&p.device);
        assert_eq!(
            *p.log.lock(),
            [
                "cec_unregister_adapter ...",
                "RELEASE cec0",
                "cec adap_free",
                "... done",
                "devm-action A1",
                "RELEASE lf-p"
            ]
        );
        driver_unregister(&p.driver);
    }
}

#[test]
fn p2_an_open_file_keeps_the_adapter_and_not_its_parent() {
    for rules in BOTH_RULES {
        let p = plug(rules);
        let cecdev = p.adap.device().unwrap();
        assert_eq!((kref_read(&cecdev), kref_read(&p.device)), (4, 5));
        let file = open(&p.system, "/dev/cec0", OpenFlags::RDWR).unwrap();
        assert_eq!(kref_read(&cecdev), 5);
        assert_eq!(file.try_poll(&mut PollTable::now()).0, 2);
        assert_eq!(file.ioctl_bytes(0x1234, &mut []), Err(Errno::ENOTTY));
        platform_device_unregister(&p.device);
        assert_eq!(
            *p.log.lock(),
            [
                "cec_unregister_adapter ...",
                "... done",
                "devm-action A1",
                "RELEASE lf-p"
            ]
        );
        assert_eq!(kref_read(&cecdev), 2);
        assert!(p.device.is_released());
        assert_eq!(file.try_poll(&mut PollTable::now()).0, 26);
        assert_eq!(file.ioctl_bytes(0x1234, &mut []), Err(Errno::ENODEV));
        let again = open(&p.system, "/dev/cec0", OpenFlags::RDWR);
        assert_eq!(again.err(), Some(Errno::ENOENT));
        p.log.lock().clear();
        drop(file);
        assert_eq!(*p.log.lock(), ["RELEASE cec0", "cec adap_free"]);
        driver_unregister(&p.driver);
    }
}

//! Triggers: choosing one, and being driven by it.

use core::sync::atomic::Ordering;
use core::time::Duration;

use lastfd_chrdev::OpenFlags;
use lastfd_iio::raw::*;
use lastfd_model::Errno;
use lastfd_model::raw::*;
use lastfd_sync::Arc;
use lastfd_sync::atomic::AtomicU32;

use lastfd_rigs::iio::{Rig, answers, dummy};

#[test]
fn a_trigger_is_chosen_by_name_and_left_by_any_other() {
    let rig = Rig::new(dummy);
    let choice = "trigger/current_trigger";
    assert_eq!(rig.read(choice).unwrap(), "");
    let silent = rig.system.find_bus("iio").unwrap();
    let silent = silent.find_device("trigger0").unwrap();
    let before = kref_read(&silent);
    assert_eq!(rig.write(choice, "silent\n"), Ok(7));
    assert_eq!(rig.read(choice).unwrap(), "silent");
    assert_eq!(kref_read(&silent), before + 1);
    assert_eq!(rig.write(choice, "silent"), Ok(6), "once is enough");
    assert_eq!(kref_read(&silent), before + 1);
    assert_eq!(rig.write(choice, "nobody"), Ok(6));
    assert_eq!(rig.read(choice).unwrap(), "");
    assert_eq!(kref_read(&silent), before);
    rig.write(choice, "silent").unwrap();
    rig.write(choice, "\n").unwrap();
    assert_eq!(kref_read(&silent), before);
}

#[test]
fn a_running_scan_keeps_its_trigger() {
    let rig = Rig::buffering();
    let refused = rig.write("trigger/current_trigger", "");
    // An empty write never reaches the driver.
    assert_eq!(refused, Ok(0));
    assert_eq!(
        rig.write("trigger/current_trigger", "\n"),
        Err(Errno::EBUSY)
    );
    rig.write("buffer/enable", "0").unwrap();
    assert_eq!(rig.write("trigger/current_trigger", "\n"), Ok(1));
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    let without = rig.write("buffer/enable", "1");
    assert_eq!(
        without,
        Err(Errno::EINVAL),
        "triggered mode needs a trigger"
    );
}

#[test]
fn either_side_may_refuse_the_other() {
    let rig = Rig::new(|parent| {
        let iio = dummy(parent)?;
        iio.set_info(IioInfo {
            validate_trigger: Some(Arc::new(|_, trigger| match trigger.name() {
                "ugly" => Err(Errno::EINVAL),
                _ => Ok(()),
            })),
            ..answers()
        });
        for name in ["ugly", "proud"] {
            let trigger = devm_iio_trigger_alloc(parent, name)?;
            trigger.set_ops(IioTriggerOps {
                validate_device: Some(Arc::new(|trigger, _| match trigger.name() {
                    "proud" => Err(Errno::EPERM),
                    _ => Ok(()),
                })),
                ..IioTriggerOps::default()
            });
            devm_iio_trigger_register(parent, &trigger)?;
        }
        let foreign = iio_trigger_alloc(&parent.system(), None, "foreign")?;
        assert_eq!(iio_validate_own_trigger(&iio, &foreign), Err(Errno::EINVAL));
        iio_trigger_free(&foreign);
        Ok(iio)
    });
    let choice = "trigger/current_trigger";
    rig.write(choice, "silent").unwrap();
    assert_eq!(rig.write(choice, "ugly"), Err(Errno::EINVAL));
    assert_eq!(rig.write(choice, "proud"), Err(Errno::EPERM));
    assert_eq!(rig.read(choice).unwrap(), "silent");
    rig.unplug();
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn an_immutable_trigger_cannot_be_changed() {
    let rig = Rig::new(|parent| {
        let iio = dummy(parent)?;
        let own = devm_iio_trigger_alloc(parent, "own")?;
        devm_iio_trigger_register(parent, &own)?;
        iio_trigger_set_immutable(&iio, &own)?;
        Ok(iio)
    });
    let choice = "trigger/current_trigger";
    assert_eq!(rig.read(choice).unwrap(), "own");
    assert_eq!(rig.write(choice, "silent"), Err(Errno::EPERM));
    rig.unplug();
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn two_triggers_of_one_name_are_refused() {
    let rig = Rig::new(dummy);
    let again = iio_trigger_alloc(&rig.system, None, "silent").unwrap();
    assert_eq!(iio_trigger_register(&again), Err(Errno::EEXIST));
    iio_trigger_free(&again);
    assert!(again.dev().is_released());
    let other = iio_trigger_alloc(&rig.system, None, "other").unwrap();
    assert_eq!(iio_trigger_register(&other), Ok(()));
    assert_eq!(
        &*other.dev().name(),
        "trigger1",
        "the number was given back"
    );
    iio_trigger_unregister(&other);
    iio_trigger_free(&other);
}

#[test]
fn each_firing_takes_one_sample_with_its_time() {
    let rig = Rig::new(dummy);
    rig.write("trigger/current_trigger", "silent").unwrap();
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("scan_elements/in_timestamp_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    assert!(iio_trigger_using_own(&rig.iio()));
    rig.clock.advance(Duration::from_secs(1));
    let fired = rig.clock.realtime();
    rig.fire();
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    let mut sample = [0; 16];
    assert_eq!(file.read(&mut sample), Ok(16));
    assert_eq!(sample[8..], fired.to_ne_bytes());
}

#[test]
fn a_timer_trigger_fires_at_its_frequency_while_somebody_listens() {
    let rig = Rig::new(dummy);
    let trigger =
        iio_timer_trigger_register(&rig.system, None, "tick", 100, FrequencyFormat::Fixpoint)
            .unwrap();
    let frequency = "sampling_frequency";
    let read = || String::from_utf8(attr_read(trigger.dev(), frequency).unwrap()).unwrap();
    let write = |text: &str| attr_write(trigger.dev(), frequency, text.as_bytes());
    assert_eq!(read(), "100.000000\n");
    let table = [
        ("0", Err(Errno::EINVAL)),
        ("-1", Err(Errno::ERANGE)),
        ("x", Err(Errno::EINVAL)),
        ("2147483", Ok(7)),
        ("4294968", Err(Errno::EINVAL)),
        ("0.5", Ok(3)),
        ("10.0009", Ok(7)),
    ];
    for (text, answer) in table {
        assert_eq!(write(text), answer, "{text}");
    }
    assert_eq!(read(), "10.000000\n");
    let fired = || {
        rig.story()
            .iter()
            .filter(|line| line.contains("fired"))
            .count()
    };
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(fired(), 0, "nobody listens");
    rig.write("trigger/current_trigger", "tick").unwrap();
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/length", "128").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    rig.clock.advance(Duration::from_millis(1050));
    assert_eq!(fired(), 10);
    write("1000").unwrap();
    rig.clock.advance(Duration::from_millis(60));
    assert_eq!(
        fired(),
        10 + 1 + 10,
        "the new period counts from the next time on"
    );
    rig.write("buffer/enable", "0").unwrap();
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(fired(), 21);
    rig.write("trigger/current_trigger", "\n").unwrap();
    iio_timer_trigger_unregister(&trigger);
    assert!(trigger.dev().is_released());
    rig.unplug();
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_whole_frequency_is_shown_whole_and_zero_stops_it() {
    let rig = Rig::buffering();
    rig.write("buffer/enable", "0").unwrap();
    let parent = rig.hardware.clone();
    let trigger =
        devm_iio_timer_trigger_register(&parent, "tick", 100, FrequencyFormat::Whole).unwrap();
    let write = |text: &str| attr_write(trigger.dev(), "sampling_frequency", text.as_bytes());
    assert_eq!(
        attr_read(trigger.dev(), "sampling_frequency").unwrap(),
        b"100\n"
    );
    assert_eq!(write("1.5"), Err(Errno::EINVAL));
    rig.write("trigger/current_trigger", "tick").unwrap();
    rig.write("buffer/length", "64").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    let available = || rig.read("buffer/data_available").unwrap();
    rig.clock.advance(Duration::from_millis(25));
    assert_eq!(available(), "2");
    write("0").unwrap();
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(available(), "3", "it was set for one more");
    write("1000").unwrap();
    rig.clock.advance(Duration::from_micros(5500));
    assert_eq!(available(), "8");
    rig.unplug();
    assert!(trigger.dev().is_released());
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_consumer_that_is_not_done_holds_the_trigger_up() {
    let rig = Rig::new(|parent| {
        let iio = lastfd_rigs::iio::plain(parent)?;
        let calls = Arc::new(AtomicU32::new(0));
        iio.set_private(Arc::clone(&calls));
        devm_iio_triggered_buffer_setup(
            parent,
            &iio,
            None,
            Some(Arc::new(move |_: &IioDev, _: &IioPollFunc| {
                // It never says that it is done.
                calls.fetch_add(1, Ordering::Relaxed);
                IrqReturn::Handled
            })),
            IioBufferSetupOps::default(),
        )?;
        let trigger = devm_iio_trigger_alloc(parent, "silent")?;
        devm_iio_trigger_register(parent, &trigger)?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    rig.write("trigger/current_trigger", "silent").unwrap();
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    rig.fire();
    rig.fire();
    let calls = rig.iio().private::<AtomicU32>().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    iio_trigger_notify_done(&rig.iio().trigger().unwrap());
    rig.fire();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_trigger_is_enabled_again_when_all_are_done() {
    let rig = Rig::buffering();
    let again = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&again);
    rig.iio().trigger().unwrap().set_ops(IioTriggerOps {
        reenable: Some(Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })),
        ..IioTriggerOps::default()
    });
    rig.fire();
    rig.clock.run_until_idle();
    assert_eq!(again.load(Ordering::Relaxed), 1);
}

#[test]
fn a_third_consumer_gets_nothing_and_is_not_told() {
    let rig = Rig::new(dummy);
    let hardware: Vec<Device> = (1..3)
        .map(|number| {
            let device =
                platform_device_alloc(&rig.system, "dummy", PlatformId::Id(number)).unwrap();
            // The name of their own trigger is taken: their probe fails.
            platform_device_add(&device).unwrap();
            device
        })
        .collect();
    assert!(hardware.iter().all(|device| device.driver().is_none()));
    let trigger = iio_trigger_alloc(&rig.system, None, "shared").unwrap();
    let handler: PollHandler = Arc::new(|_, _| IrqReturn::Handled);
    let pollfuncs: Vec<IioPollFunc> = (0..3)
        .map(|n| {
            IioPollFunc::new(
                &rig.iio(),
                format!("consumer{n}"),
                Some(handler.clone()),
                None,
            )
        })
        .collect();
    for pollfunc in &pollfuncs {
        assert_eq!(iio_trigger_attach_poll_func(&trigger, pollfunc), Ok(()));
    }
    assert_eq!(trigger.consumers(), 2);
    assert_eq!(rig.splats(), [""; 0]);
    for pollfunc in &pollfuncs {
        assert_eq!(iio_trigger_detach_poll_func(&trigger, pollfunc), Ok(()));
    }
    assert_eq!(trigger.consumers(), 0);
    assert_eq!(rig.splats().len(), 1, "the third had no line to free");
    iio_trigger_free(&trigger);
    for device in &hardware {
        platform_device_unregister(device);
    }
}

#[test]
fn a_handler_that_panics_costs_one_sample() {
    let rig = Rig::new(|parent| {
        let iio = lastfd_rigs::iio::plain(parent)?;
        let calls = AtomicU32::new(0);
        devm_iio_triggered_buffer_setup(
            parent,
            &iio,
            None,
            Some(Arc::new(move |iio: &IioDev, _: &IioPollFunc| {
                let call = calls.fetch_add(1, Ordering::Relaxed);
                assert_ne!(call, 0, "the first sample goes wrong");
                iio_push_to_buffers(iio, &[1, 0]).unwrap();
                iio_trigger_notify_done(&iio.trigger().unwrap());
                IrqReturn::Handled
            })),
            IioBufferSetupOps::default(),
        )?;
        let trigger = devm_iio_trigger_alloc(parent, "silent")?;
        devm_iio_trigger_register(parent, &trigger)?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    rig.write("trigger/current_trigger", "silent").unwrap();
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    rig.fire();
    rig.fire();
    assert_eq!(rig.read("buffer/data_available").unwrap(), "1");
    assert_eq!(rig.splats().len(), 1);
}

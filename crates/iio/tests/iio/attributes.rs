//! Attributes as sysfs shows them.

use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::{Attribute, attributes};
use lastfd_model::{Errno, EventKind, Result};
use lastfd_sync::{Arc, Mutex};

use lastfd_rigs::iio::{Rig, answers, dummy, plain, voltage};

fn paths(rig: &Rig) -> Vec<String> {
    let found = attributes(rig.iio().dev());
    found.iter().map(|info| info.path.to_string()).collect()
}

#[test]
fn the_dummy_has_every_group_of_a_kernel_device() {
    let rig = Rig::new(dummy);
    assert_eq!(
        paths(&rig),
        [
            "buffer/data_available",
            "buffer/direction",
            "buffer/enable",
            "buffer/length",
            "buffer/watermark",
            "buffer0/data_available",
            "buffer0/direction",
            "buffer0/enable",
            "buffer0/in_timestamp_en",
            "buffer0/in_timestamp_index",
            "buffer0/in_timestamp_type",
            "buffer0/in_voltage0_en",
            "buffer0/in_voltage0_index",
            "buffer0/in_voltage0_type",
            "buffer0/in_voltage1_en",
            "buffer0/in_voltage1_index",
            "buffer0/in_voltage1_type",
            "buffer0/length",
            "buffer0/watermark",
            "current_timestamp_clock",
            "dev",
            "events/in_voltage0_thresh_rising_en",
            "events/in_voltage0_thresh_rising_value",
            "in_voltage0_raw",
            "in_voltage1_raw",
            "name",
            "scan_elements/in_timestamp_en",
            "scan_elements/in_timestamp_index",
            "scan_elements/in_timestamp_type",
            "scan_elements/in_voltage0_en",
            "scan_elements/in_voltage0_index",
            "scan_elements/in_voltage0_type",
            "scan_elements/in_voltage1_en",
            "scan_elements/in_voltage1_index",
            "scan_elements/in_voltage1_type",
            "trigger/current_trigger",
            "uevent",
        ]
    );
    assert_eq!(rig.read("name").unwrap(), "lfiio");
    assert_eq!(rig.read("buffer/direction").unwrap(), "in");
    assert_eq!(
        rig.read("scan_elements/in_timestamp_type").unwrap(),
        "le:s64/64>>0"
    );
    let uevent = rig.read("uevent").unwrap();
    assert!(uevent.contains("DEVNAME=iio:device0"), "{uevent}");
    assert!(uevent.contains("DEVTYPE=iio_device"), "{uevent}");
}

#[test]
fn shared_information_is_one_attribute_and_every_mask_has_its_names() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        let channel = |number| ChannelSpec {
            info_mask_separate_available: InfoMask::of(&[Info::Raw]),
            info_mask_shared_by_type: InfoMask::of(&[Info::Scale]),
            info_mask_shared_by_type_available: InfoMask::of(&[Info::Scale]),
            info_mask_shared_by_dir: InfoMask::of(&[Info::HardwareGain]),
            info_mask_shared_by_all: InfoMask::of(&[Info::IntTime]),
            info_mask_shared_by_all_available: InfoMask::of(&[Info::IntTime]),
            ..voltage(number)
        };
        iio.set_channels([channel(0), channel(1)]);
        iio.set_label("left");
        iio.set_info(IioInfo {
            read_avail: Some(Arc::new(|_, _, what| {
                Ok(match what {
                    Info::Raw => Available::Range([0, 1, 4095].map(Value::Int)),
                    _ => Available::List(vec![Value::IntPlusMicro(0, 100_000); 2]),
                })
            })),
            ..answers()
        });
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    assert_eq!(
        paths(&rig),
        [
            "in_hardwaregain",
            "in_voltage0_raw",
            "in_voltage0_raw_available",
            "in_voltage1_raw",
            "in_voltage1_raw_available",
            "in_voltage_scale",
            "in_voltage_scale_available",
            "integration_time",
            "integration_time_available",
            "label",
            "name",
            "uevent",
        ]
    );
    assert_eq!(rig.read("in_voltage0_raw_available").unwrap(), "[0 1 4095]");
    assert_eq!(
        rig.read("integration_time_available").unwrap(),
        "0.100000 0.100000"
    );
    assert_eq!(rig.read("label").unwrap(), "left");
    // Without a write callback the attribute is there and refuses.
    assert_eq!(rig.write("in_voltage0_raw", "1"), Err(Errno::EINVAL));
}

#[test]
fn a_write_reaches_the_driver_as_it_asks_for_it() {
    type Written = Arc<Mutex<Vec<(i32, i32, Info)>>>;
    let written: Written = Arc::default();
    let log = Arc::clone(&written);
    let rig = Rig::new(move |parent| {
        let iio = plain(parent)?;
        iio.set_channels([ChannelSpec {
            info_mask_separate: InfoMask::of(&[Info::Scale, Info::Offset, Info::Raw]),
            ..voltage(0)
        }]);
        let log = Arc::clone(&log);
        iio.set_info(IioInfo {
            write_raw: Some(Arc::new(move |_, _, whole, fract, what| {
                log.lock().push((whole, fract, what));
                Ok(())
            })),
            write_raw_get_fmt: Some(Arc::new(|_, _, what| match what {
                Info::Scale => Format::IntPlusNano,
                Info::Offset => Format::Int,
                _ => Format::Other,
            })),
            ..answers()
        });
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    assert_eq!(rig.write("in_voltage0_scale", "-0.000000001\n"), Ok(13));
    assert_eq!(rig.write("in_voltage0_offset", "0x10\0"), Ok(5));
    assert_eq!(rig.write("in_voltage0_offset", "1.5"), Err(Errno::EINVAL));
    assert_eq!(rig.write("in_voltage0_raw", "1"), Err(Errno::EINVAL));
    assert_eq!(
        *written.lock(),
        [(0, -1, Info::Scale), (16, 0, Info::Offset)]
    );
}

#[test]
fn labels_and_attributes_of_the_drivers_own() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        let choice = ExtInfo {
            name: "powerdown".into(),
            shared: SharedBy::Separate,
            read: Some(Arc::new(|_, channel| Ok(format!("{}\n", channel.channel)))),
            write: Some(Arc::new(|_, _, text| Ok(text.len()))),
        };
        let secret = ExtInfo {
            name: "secret".into(),
            shared: SharedBy::All,
            read: None,
            ..choice.clone()
        };
        iio.set_channels([0, 1].map(|number| ChannelSpec {
            ext_info: vec![choice.clone(), secret.clone()],
            ..voltage(number)
        }));
        iio.set_info(IioInfo {
            attrs: vec![Attribute::new("mode", 0o444).show(|_| Ok("idle\n".into()))],
            read_label: Some(Arc::new(|_, channel| {
                Ok(format!("pin{}\n", channel.channel))
            })),
            ..answers()
        });
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    assert_eq!(rig.read("in_voltage1_label").unwrap(), "pin1");
    assert_eq!(rig.read("in_voltage1_powerdown").unwrap(), "1");
    assert_eq!(rig.write("in_voltage0_powerdown", "on"), Ok(2));
    assert_eq!(rig.read("mode").unwrap(), "idle");
    assert_eq!(rig.read("secret"), Err(Errno::EACCES));
    assert_eq!(rig.write("secret", "x"), Ok(1));
}

#[test]
fn an_extend_name_is_part_of_the_name_and_a_label() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        iio.set_channels([ChannelSpec {
            extend_name: Some("supply".into()),
            ..voltage(0)
        }]);
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    assert_eq!(rig.read("in_voltage0_supply_raw").unwrap(), "42");
    assert_eq!(rig.read("in_voltage0_supply_label").unwrap(), "supply");
}

#[test]
fn the_clock_of_time_stamps_can_be_chosen_while_nothing_runs() {
    let rig = Rig::new(dummy);
    assert_eq!(rig.read("current_timestamp_clock").unwrap(), "realtime");
    let since_1970 = rig.clock.realtime() as i64;
    assert_eq!(iio_get_time_ns(&rig.iio()), since_1970);
    rig.write("current_timestamp_clock", "monotonic\n").unwrap();
    assert_eq!(iio_get_time_ns(&rig.iio()), rig.clock.now().0 as i64);
    for wrong in ["sundial", "process_cputime_id", ""] {
        if !wrong.is_empty() {
            let refused = rig.write("current_timestamp_clock", wrong);
            assert_eq!(refused, Err(Errno::EINVAL), "{wrong}");
        }
    }
    let rig = Rig::buffering();
    let busy = rig.write("current_timestamp_clock", "tai");
    assert_eq!(busy, Err(Errno::EBUSY));
}

#[test]
fn a_driver_that_panics_fails_one_read_and_no_more() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        let calls = Mutex::new(0);
        iio.set_info(IioInfo {
            read_raw: Some(Arc::new(move |_, _, _| {
                *calls.lock() += 1;
                assert!(*calls.lock() > 1, "the first read goes wrong");
                Ok(Value::Int(1))
            })),
            ..IioInfo::default()
        });
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    assert_eq!(rig.read("in_voltage0_raw"), Err(Errno::EIO));
    assert_eq!(rig.read("in_voltage0_raw").unwrap(), "1");
    assert_eq!(rig.splats().len(), 1);
    rig.unplug();
}

#[test]
fn two_channels_of_one_name_are_refused_and_said_so() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        iio.set_channels([voltage(0), voltage(0)]);
        let refused: Result = devm_iio_device_register(parent, &iio);
        assert_eq!(refused, Err(Errno::EBUSY));
        Ok(iio)
    });
    let events = rig.record.events();
    let said = |event: &lastfd_model::Event| match &event.kind {
        EventKind::Message { text, .. } => Some(text.to_string()),
        _ => None,
    };
    let said: Vec<String> = events.iter().filter_map(said).collect();
    assert_eq!(
        said,
        [
            "tried to double register : in_voltage0_raw",
            "Failed to register sysfs interfaces"
        ]
    );
}

//! Events: the attributes that configure them, and the descriptor they come from.

use core::time::Duration;

use lastfd_chrdev::{OpenFlags, PollMask};
use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use lastfd_rigs::iio::{Rig, answers, plain, voltage};

/// A device with events and no buffer.
fn watcher(parent: &Device) -> Result<IioDev> {
    let iio = plain(parent)?;
    let on = Mutex::new(false);
    let on = Arc::new(on);
    let level = Arc::new(Mutex::new((1, 500_000)));
    let rising = EventSpec {
        mask_shared_by_type: EventMask::of(&[EventInfo::Hysteresis]),
        ..EventSpec::separate(
            EventType::Thresh,
            EventDirection::Rising,
            EventMask::of(&[EventInfo::Enable, EventInfo::Value]),
        )
    };
    let change = EventSpec::separate(
        EventType::Change,
        EventDirection::None,
        EventMask::of(&[EventInfo::Enable]),
    );
    iio.set_channels([0, 1].map(|number| ChannelSpec {
        event_spec: vec![rising, change],
        ..voltage(number)
    }));
    let (state, set_state) = (Arc::clone(&on), on);
    let (value, set_value) = (Arc::clone(&level), level);
    iio.set_info(IioInfo {
        read_event_config: Some(Arc::new(move |_, _, _, _| Ok(i32::from(*state.lock())))),
        write_event_config: Some(Arc::new(move |_, _, _, _, on| {
            *set_state.lock() = on;
            Ok(())
        })),
        read_event_value: Some(Arc::new(move |_, _, _, _, _| {
            let (whole, micro) = *value.lock();
            Ok(Value::IntPlusMicro(whole, micro))
        })),
        write_event_value: Some(Arc::new(move |_, _, _, _, _, whole, micro| {
            *set_value.lock() = (whole, micro);
            Ok(())
        })),
        ..answers()
    });
    devm_iio_device_register(parent, &iio)?;
    Ok(iio)
}

#[test]
fn each_event_has_its_attributes() {
    let rig = Rig::new(watcher);
    let found = attributes(rig.iio().dev());
    let found: Vec<&str> = found
        .iter()
        .filter_map(|info| info.path.strip_prefix("events/"))
        .collect();
    assert_eq!(
        found,
        [
            "in_voltage0_change_en",
            "in_voltage0_thresh_rising_en",
            "in_voltage0_thresh_rising_value",
            "in_voltage1_change_en",
            "in_voltage1_thresh_rising_en",
            "in_voltage1_thresh_rising_value",
            "in_voltage_thresh_rising_hysteresis",
        ]
    );
    let enable = "events/in_voltage0_thresh_rising_en";
    assert_eq!(rig.read(enable).unwrap(), "0");
    rig.write(enable, "1").unwrap();
    assert_eq!(rig.read(enable).unwrap(), "1");
    assert_eq!(rig.write(enable, "2"), Err(Errno::EINVAL));
    let value = "events/in_voltage0_thresh_rising_value";
    assert_eq!(rig.read(value).unwrap(), "1.500000");
    rig.write(value, "-0.25\n").unwrap();
    assert_eq!(rig.read(value).unwrap(), "-0.250000");
}

#[test]
fn without_callbacks_the_attributes_refuse() {
    let rig = Rig::new(|parent| {
        let iio = watcher(parent)?;
        iio.set_info(IioInfo::default());
        Ok(iio)
    });
    for path in [
        "events/in_voltage0_thresh_rising_en",
        "events/in_voltage0_thresh_rising_value",
    ] {
        assert_eq!(rig.read(path), Err(Errno::EINVAL));
        assert_eq!(rig.write(path, "1"), Err(Errno::EINVAL));
    }
}

#[test]
fn a_device_with_events_alone_has_a_node_without_read_and_poll() {
    let rig = Rig::new(watcher);
    assert_eq!(kref_read(rig.iio().dev()), 4);
    let file = rig.open(OpenFlags::RDWR).unwrap();
    assert_eq!(file.read(&mut [0; 16]), Err(Errno::EINVAL));
    assert_eq!(file.write(&[0; 16]), Err(Errno::EINVAL));
    assert!(!file.can_poll());
    assert_eq!(
        file.ioctl_file(IIO_BUFFER_GET_FD_IOCTL, 0).err(),
        Some(Errno::ENODEV)
    );
    assert!(file.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).is_ok());
}

#[test]
fn a_device_without_events_has_no_event_descriptor() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    let file = rig.open(OpenFlags::RDWR).unwrap();
    let refused = file.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0);
    assert_eq!(refused.err(), Some(Errno::ENODEV));
}

#[test]
fn events_come_in_order_and_the_newest_is_lost_when_nobody_reads() {
    let rig = Rig::new(watcher);
    let iio = rig.iio();
    iio_push_event(&iio, 99, 99).unwrap();
    let chrdev = rig.open(OpenFlags::RDWR).unwrap();
    let events = chrdev.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap();
    let second = chrdev.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0);
    assert_eq!(second.err(), Some(Errno::EBUSY));
    let now = || events.poll(PollMask::IN, Some(Duration::ZERO));
    assert_eq!(now(), PollMask::NONE, "what came before is not kept");
    for number in 0..20 {
        iio_push_event(&iio, number, -(number as i64)).unwrap();
    }
    assert_eq!(now(), PollMask::IN);
    assert_eq!(events.read(&mut [0; 15]), Err(Errno::EINVAL));
    let mut data = [0; 40];
    assert_eq!(events.read(&mut data), Ok(32), "whole events only");
    assert_eq!(data[..8], 0_u64.to_ne_bytes());
    assert_eq!(data[16..24], 1_u64.to_ne_bytes());
    assert_eq!(data[24..32], (-1_i64).to_ne_bytes());
    let mut rest = [0; 1024];
    assert_eq!(events.read(&mut rest), Ok(14 * 16));
    assert_eq!(rest[13 * 16..][..8], 15_u64.to_ne_bytes());
    assert_eq!(now(), PollMask::NONE);
    drop(events);
    assert!(chrdev.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).is_ok());
    let dropped = rig
        .story()
        .iter()
        .filter(|line| line.ends_with("dropped"))
        .count();
    assert_eq!(dropped, 4);
}

#[test]
fn a_reader_sleeps_until_an_event_comes() {
    let rig = Rig::new(watcher);
    let chrdev = rig.open(OpenFlags::RDWR).unwrap();
    let events = chrdev.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap();
    let reader = events.clone();
    let task = rig
        .clock
        .spawn("reader", move || reader.read(&mut [0; 16]))
        .unwrap();
    rig.clock.advance(Duration::from_millis(1));
    assert!(!task.is_finished());
    let code = event_code(
        ChanType::Voltage,
        false,
        Modifier::NoMod,
        EventDirection::Rising,
        EventType::Thresh,
        1,
        0,
        0,
    );
    iio_push_event(&rig.iio(), code, 5).unwrap();
    assert_eq!(task.join().unwrap(), Ok(16));
    events.set_flags(OpenFlags::NONBLOCK).unwrap();
    assert_eq!(events.read(&mut [0; 16]), Err(Errno::EAGAIN));
}

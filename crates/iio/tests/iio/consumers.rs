//! Channels used from inside the kernel (oracle trace l6, and `inkern.c` beyond it).

use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result, System};
use lastfd_sync::Arc;

use lastfd_rigs::iio::{Rig, answers, voltage};

/// A voltage channel that the data sheet calls `ds0`.
fn ds0() -> ChannelSpec {
    ChannelSpec {
        datasheet_name: Some("ds0".to_owned()),
        ..voltage(0)
    }
}

fn map(consumer: &str, channel: &str) -> IioMap {
    IioMap {
        adc_channel_label: Some("ds0".to_owned()),
        consumer_dev_name: consumer.to_owned(),
        consumer_channel: channel.to_owned(),
    }
}

/// A provider whose channel is the consumer's `cc`.
fn provider(parent: &Device, info: IioInfo, channel: ChannelSpec) -> Result<IioDev> {
    let iio = devm_iio_device_alloc(parent)?;
    iio.set_name("lfiio");
    iio.set_info(info);
    iio.set_channels([channel]);
    iio.set_modes(Modes::DIRECT);
    devm_iio_map_array_register(parent, &iio, &[map("lf-consumer", "cc")])?;
    devm_iio_device_register(parent, &iio)?;
    Ok(iio)
}

fn plain_provider() -> Rig {
    Rig::new(|parent| provider(parent, answers(), ds0()))
}

/// A channel's elements and their values.
type Values<'a> = &'a [(Info, Value)];

/// A provider whose channel has these elements, with these values.
fn with_values(values: Values<'_>) -> Rig {
    let values: Arc<[(Info, Value)]> = values.into();
    Rig::new(move |parent| {
        let infos: Vec<Info> = values.iter().map(|(info, _)| *info).collect();
        let known = Arc::clone(&values);
        let info = IioInfo {
            read_raw: Some(Arc::new(move |_, _, what| {
                let found = known.iter().find(|(info, _)| *info == what);
                found.map(|(_, value)| value.clone()).ok_or(Errno::EINVAL)
            })),
            ..IioInfo::default()
        };
        let channel = ChannelSpec {
            info_mask_separate: InfoMask::of(&infos),
            ..ds0()
        };
        provider(parent, info, channel)
    })
}

fn consumer(system: &System) -> Device {
    let spec = DeviceSpec {
        name: Some("lf-consumer".to_owned()),
        release: Some(no_release()),
        ..DeviceSpec::default()
    };
    let device = device_initialize(system, spec);
    device_add(&device).unwrap();
    device
}

/// What a consumer of a provider with these values reads.
fn processed(values: Values<'_>, scale: u32) -> Result<Reading> {
    let rig = with_values(values);
    let device = consumer(&rig.system);
    let channel = iio_channel_get(&device, Some("cc")).unwrap();
    let reading = iio_read_channel_processed_scale(&channel, scale);
    iio_channel_release(&channel);
    rig.unplug();
    device_unregister(&device);
    drop((channel, device));
    assert_eq!(rig.splats(), [""; 0]);
    assert_eq!(rig.finish(), [""; 0]);
    reading
}

fn int(rc: i32, val: i32) -> Result<Reading> {
    Ok(Reading { rc, val, val2: 0 })
}

#[test]
fn l6_a_consumer_outlives_its_provider() {
    let rig = plain_provider();
    let device = consumer(&rig.system);
    let iio = rig.iio();
    assert_eq!(kref_read(iio.dev()), 3);
    let channel = iio_channel_get(&device, Some("cc")).unwrap();
    assert_eq!(kref_read(iio.dev()), 4);
    assert_eq!(iio_read_channel_raw(&channel), int(1, 42));
    rig.unplug();
    assert_eq!(kref_read(iio.dev()), 1, "the consumer's alone");
    assert!(rig.hardware.is_released(), "nobody pins the parent");
    assert_eq!(iio_read_channel_raw(&channel), Err(Errno::ENODEV));
    assert_eq!(
        iio_channel_get(&device, Some("cc")).unwrap_err(),
        Errno::ENODEV
    );
    iio_channel_release(&channel);
    assert!(iio.dev().is_released());
    device_unregister(&device);
    assert_eq!(rig.splats(), [""; 0]);
    drop((channel, device, iio));
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn every_call_of_a_consumer_fails_once_the_provider_is_unregistered() {
    let rig = with_values(&[(Info::Raw, Value::Int(1)), (Info::Scale, Value::Int(2))]);
    let device = consumer(&rig.system);
    let channel = iio_channel_get(&device, None).unwrap();
    assert_eq!(iio_get_channel_type(&channel), Ok(ChanType::Voltage));
    assert_eq!(iio_read_channel_scale(&channel), int(1, 2));
    assert_eq!(iio_read_channel_offset(&channel), Err(Errno::EINVAL));
    assert_eq!(iio_write_channel_raw(&channel, 1), Err(Errno::EINVAL));
    rig.unplug();
    let gone = Err(Errno::ENODEV);
    assert_eq!(iio_read_channel_raw(&channel), gone);
    assert_eq!(iio_read_channel_average_raw(&channel), gone);
    assert_eq!(iio_read_channel_scale(&channel), gone);
    assert_eq!(iio_read_channel_offset(&channel), gone);
    assert_eq!(iio_read_channel_processed(&channel), gone);
    assert_eq!(
        iio_convert_raw_to_processed(&channel, 1, 1),
        Err(Errno::ENODEV)
    );
    assert_eq!(iio_read_avail_channel_raw(&channel), Err(Errno::ENODEV));
    assert_eq!(iio_read_max_channel_raw(&channel), Err(Errno::ENODEV));
    assert_eq!(iio_read_min_channel_raw(&channel), Err(Errno::ENODEV));
    assert_eq!(iio_get_channel_type(&channel), Err(Errno::ENODEV));
    assert_eq!(iio_write_channel_raw(&channel, 1), Err(Errno::ENODEV));
    iio_channel_release(&channel);
}

#[test]
fn a_write_reaches_the_driver_whether_the_channel_has_the_element_or_not() {
    let info = IioInfo {
        write_raw: Some(Arc::new(|_, _, val, val2, what| match (val, val2, what) {
            (7, 0, Info::Raw) | (1, 2, Info::Scale) => Ok(()),
            _ => Err(Errno::ERANGE),
        })),
        ..answers()
    };
    let rig = Rig::new(move |parent| provider(parent, info.clone(), ds0()));
    let device = consumer(&rig.system);
    let channel = devm_iio_channel_get(&device, Some("cc")).unwrap();
    assert_eq!(iio_write_channel_raw(&channel, 7), Ok(()));
    assert_eq!(iio_write_channel_raw(&channel, 8), Err(Errno::ERANGE));
    assert_eq!(
        iio_write_channel_attribute(&channel, 1, 2, Info::Scale),
        Ok(())
    );
}

#[test]
fn a_raw_value_is_converted_as_the_kernel_converts_it() {
    use Info::{Offset, Processed, Raw, Scale};
    let raw = |n| (Raw, Value::Int(n));
    let table: &[(Values<'_>, u32, Result<Reading>)] = &[
        // The driver's own word goes first.
        (&[raw(5), (Processed, Value::Int(9))], 10, int(1, 90)),
        // Without a scale: the consumer's alone.
        (&[raw(5)], 10, int(0, 50)),
        (&[raw(5), (Offset, Value::Int(-3))], 10, int(0, 20)),
        (
            &[raw(5), (Offset, Value::IntPlusMicro(2, 900_000))],
            1,
            int(0, 7),
        ),
        (&[raw(5), (Offset, Value::Fractional(-7, 2))], 1, int(0, 2)),
        (
            &[raw(5), (Offset, Value::FractionalLog2(-7, 1))],
            1,
            int(0, 1),
        ),
        (&[raw(5), (Offset, Value::Char(1))], 1, Err(Errno::EINVAL)),
        (
            &[raw(5), (Offset, Value::Fractional(1, 0))],
            1,
            Err(Errno::EINVAL),
        ),
        (&[raw(5), (Scale, Value::Int(3))], 2, int(0, 30)),
        (
            &[raw(3), (Scale, Value::IntPlusMicro(1, 500_000))],
            1,
            int(0, 4),
        ),
        (
            &[raw(3), (Scale, Value::IntPlusMicro(0, -500_000))],
            10,
            int(0, -15),
        ),
        (
            &[raw(3), (Scale, Value::IntPlusNano(0, 1_000_000))],
            1000,
            int(0, 3),
        ),
        (&[raw(10), (Scale, Value::Fractional(5, 3))], 1, int(0, 16)),
        (
            &[raw(-10), (Scale, Value::Fractional(5, 3))],
            1,
            int(0, -16),
        ),
        (
            &[raw(10), (Scale, Value::Fractional(5, 0))],
            1,
            Err(Errno::EINVAL),
        ),
        (
            &[raw(-10), (Scale, Value::FractionalLog2(5, 2))],
            1,
            int(0, -13),
        ),
        (
            &[raw(1), (Scale, Value::IntMultiple(vec![1, 2]))],
            1,
            Err(Errno::EINVAL),
        ),
        // It is cut to an int in the end.
        (&[raw(i32::MAX), (Scale, Value::Int(2))], 1, int(0, -2)),
        (&[(Scale, Value::Int(2))], 1, Err(Errno::EINVAL)),
    ];
    for (values, scale, expected) in table {
        assert_eq!(processed(values, *scale), *expected, "{values:?} {scale}");
    }
}

#[test]
fn the_greatest_and_least_raw_values_are_read_off_what_is_available() {
    let ints = |values: &[i32]| values.iter().map(|v| Value::Int(*v)).collect::<Vec<_>>();
    let range = |a, b, c| Available::Range([a, b, c]);
    let micro = |v| Value::IntPlusMicro(v, 0);
    let table = [
        (Available::List(ints(&[3, 1, 2])), Ok((1, 3)), true),
        (Available::List(Vec::new()), Err(Errno::EINVAL), true),
        (Available::List(vec![micro(1)]), Err(Errno::EINVAL), false),
        (
            range(Value::Int(-4), Value::Int(1), Value::Int(8)),
            Ok((-4, 8)),
            true,
        ),
        (range(micro(1), micro(2), micro(3)), Ok((1, 3)), false),
    ];
    for (available, expected, whole) in table {
        let told = available.clone();
        let rig = Rig::new(move |parent| {
            let told = told.clone();
            let info = IioInfo {
                read_avail: Some(Arc::new(move |_, _, _| Ok(told.clone()))),
                ..answers()
            };
            let channel = ChannelSpec {
                info_mask_separate_available: InfoMask::of(&[Info::Raw]),
                ..ds0()
            };
            provider(parent, info, channel)
        });
        let device = consumer(&rig.system);
        let channel = iio_channel_get(&device, Some("cc")).unwrap();
        let least = iio_read_min_channel_raw(&channel);
        let greatest = iio_read_max_channel_raw(&channel);
        assert_eq!(least, expected.map(|e| e.0), "{available:?}");
        assert_eq!(greatest, expected.map(|e| e.1), "{available:?}");
        assert_eq!(iio_read_avail_channel_raw(&channel).is_ok(), whole);
        assert_eq!(
            iio_read_avail_channel_attribute(&channel, Info::Scale),
            Err(Errno::EINVAL)
        );
        iio_channel_release(&channel);
    }
}

#[test]
fn a_channel_is_found_by_the_consumers_name_its_own_or_both() {
    let rig = plain_provider();
    let found = |name, channel| match iio_channel_get_sys(&rig.system, name, channel) {
        Ok(channel) => {
            iio_channel_release(&channel);
            Ok(())
        }
        Err(errno) => Err(errno),
    };
    assert_eq!(found(Some("lf-consumer"), Some("cc")), Ok(()));
    assert_eq!(found(Some("lf-consumer"), None), Ok(()));
    assert_eq!(found(None, Some("cc")), Ok(()));
    assert_eq!(found(None, None), Err(Errno::ENODEV));
    assert_eq!(found(Some("lf-other"), Some("cc")), Err(Errno::ENODEV));
    assert_eq!(found(Some("lf-consumer"), Some("dd")), Err(Errno::ENODEV));
    assert_eq!(kref_read(rig.iio().dev()), 3, "each was released");
}

#[test]
fn a_map_to_a_channel_that_the_provider_has_not_is_refused_and_holds_nothing() {
    let rig = Rig::new(|parent| provider(parent, answers(), voltage(0)));
    let device = consumer(&rig.system);
    for _ in 0..2 {
        let refused = iio_channel_get(&device, Some("cc")).unwrap_err();
        assert_eq!(refused, Errno::EINVAL);
        assert_eq!(iio_channel_get_all(&device).unwrap_err(), Errno::EINVAL);
    }
    assert_eq!(kref_read(rig.iio().dev()), 3);
}

#[test]
fn all_channels_of_a_consumer_come_in_the_order_of_their_maps() {
    let rig = plain_provider();
    let iio = rig.iio();
    iio_map_array_register(&iio, &[map("lf-other", "x"), map("lf-consumer", "dd")]).unwrap();
    let device = consumer(&rig.system);
    let channels = devm_iio_channel_get_all(&device).unwrap();
    assert_eq!(channels.len(), 2);
    assert_eq!(kref_read(iio.dev()), 5);
    device_unregister(&device);
    assert_eq!(kref_read(iio.dev()), 3, "released with the consumer");
    assert_eq!(iio_map_array_unregister(&iio), Ok(()));
    assert_eq!(iio_map_array_unregister(&iio), Err(Errno::ENODEV));
    assert_eq!(iio_channel_get_all(&device).unwrap_err(), Errno::ENODEV);
}

#[test]
fn no_memory_undoes_what_was_done() {
    let rig = plain_provider();
    let device = consumer(&rig.system);
    let iio = rig.iio();
    rig.system.fail_nth(1);
    assert_eq!(
        iio_channel_get(&device, Some("cc")).unwrap_err(),
        Errno::ENOMEM
    );
    assert_eq!(kref_read(iio.dev()), 3);
    rig.system.fail_nth(2);
    assert_eq!(
        devm_iio_channel_get(&device, Some("cc")).unwrap_err(),
        Errno::ENOMEM
    );
    assert_eq!(kref_read(iio.dev()), 3);
    // A second map array that fails takes the first one with it.
    rig.system.fail_nth(1);
    let more = [map("lf-consumer", "dd")];
    assert_eq!(iio_map_array_register(&iio, &more), Err(Errno::ENOMEM));
    assert_eq!(
        iio_channel_get(&device, Some("cc")).unwrap_err(),
        Errno::ENODEV
    );
}

#[test]
fn a_released_channel_is_told_about_when_it_is_used() {
    let rig = plain_provider();
    let device = consumer(&rig.system);
    let channel = iio_channel_get(&device, Some("cc")).unwrap();
    iio_channel_release(&channel);
    iio_channel_release(&channel);
    assert_eq!(iio_read_channel_raw(&channel), Err(Errno::ENODEV));
    assert_eq!(kref_read(rig.iio().dev()), 3, "one put only");
    assert_eq!(
        rig.splats(),
        [
            "iio_channel_release of a released channel",
            "a channel is used after iio_channel_release"
        ]
    );
}

#[test]
fn a_map_that_names_no_channel_gives_one_that_faults() {
    let rig = plain_provider();
    let iio = rig.iio();
    let nameless = IioMap {
        adc_channel_label: None,
        ..map("lf-consumer", "none")
    };
    iio_map_array_register(&iio, &[nameless]).unwrap();
    let device = consumer(&rig.system);
    let channel = iio_channel_get(&device, Some("none")).unwrap();
    assert!(channel.channel().is_none());
    assert_eq!(iio_read_channel_raw(&channel), Err(Errno::EFAULT));
    assert_eq!(rig.splats(), ["a channel whose map names none is used"]);
    iio_channel_release(&channel);
}

#[test]
fn extended_attributes_are_reached_without_a_look_at_the_unregistered_provider() {
    let channel = ChannelSpec {
        ext_info: vec![ExtInfo {
            name: "mode".to_owned(),
            shared: SharedBy::Separate,
            read: Some(Arc::new(|_, _| Ok("fast\n".to_owned()))),
            write: None,
        }],
        ..ds0()
    };
    let rig = Rig::new(move |parent| provider(parent, answers(), channel.clone()));
    let device = consumer(&rig.system);
    let channel = iio_channel_get(&device, Some("cc")).unwrap();
    rig.unplug();
    assert_eq!(iio_get_channel_ext_info_count(&channel), 1);
    let read = iio_read_channel_ext_info(&channel, "mode");
    assert_eq!(read.as_deref(), Ok("fast\n"));
    assert_eq!(
        iio_read_channel_ext_info(&channel, "other"),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        iio_write_channel_ext_info(&channel, "mode", b"slow"),
        Err(Errno::EFAULT)
    );
    iio_channel_release(&channel);
}

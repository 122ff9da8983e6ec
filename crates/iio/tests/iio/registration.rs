//! Registering: what is refused, and what is left of it.

use lastfd_chrdev::OpenFlags;
use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::{kref_read, *};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use lastfd_rigs::iio::{Rig, dummy, plain, voltage};

type Change = fn(&IioDev);

#[test]
fn what_the_kernel_refuses_is_refused_and_nothing_is_left() {
    let table: &[(&str, Change, Errno)] = &[
        (
            "two channels with one scan index",
            |iio| {
                iio.add_modes(Modes::BUFFER_SOFTWARE);
                iio.set_channels([
                    voltage(0),
                    ChannelSpec {
                        scan_index: 0,
                        ..voltage(1)
                    },
                ]);
            },
            Errno::EINVAL,
        ),
        (
            "samples that do not fit their storage",
            |iio| {
                iio_device_attach_buffer(iio, &iio_kfifo_allocate()).unwrap();
                iio.set_channels([ChannelSpec {
                    scan_type: ScanType {
                        shift: 1,
                        ..ScanType::signed(16)
                    },
                    ..voltage(0)
                }]);
            },
            Errno::EINVAL,
        ),
        (
            "a scan index beyond all memory",
            |iio| {
                iio_device_attach_buffer(iio, &iio_kfifo_allocate()).unwrap();
                iio.set_channels([ChannelSpec {
                    scan_index: i32::MAX,
                    ..voltage(0)
                }]);
            },
            Errno::ENOMEM,
        ),
        (
            "labels beside an extend name",
            |iio| {
                iio.set_info(IioInfo {
                    read_label: Some(Arc::new(|_, _| Ok(String::new()))),
                    ..IioInfo::default()
                });
                iio.set_channels([ChannelSpec {
                    extend_name: Some("x".into()),
                    ..voltage(0)
                }]);
            },
            Errno::EINVAL,
        ),
        (
            "a differential channel without index",
            |iio| {
                iio.set_channels([ChannelSpec {
                    differential: true,
                    indexed: false,
                    ..voltage(0)
                }]);
            },
            Errno::EINVAL,
        ),
        (
            "an attribute of the driver's with a channel's name",
            |iio| {
                iio.set_info(IioInfo {
                    attrs: vec![Attribute::new("in_voltage0_raw", 0o444)],
                    ..IioInfo::default()
                });
            },
            Errno::EEXIST,
        ),
    ];
    for (what, change, errno) in table {
        let (change, errno) = (*change, *errno);
        let rig = Rig::new(move |parent| {
            let iio = plain(parent)?;
            change(&iio);
            let refused: Result = devm_iio_device_register(parent, &iio);
            assert_eq!(refused, Err(errno));
            Ok(iio)
        });
        assert_eq!(kref_read(rig.iio().dev()), 1, "{what}");
        rig.unplug();
        assert!(rig.iio().dev().is_released(), "{what}");
        assert_eq!(rig.splats(), [""; 0], "{what}");
        assert_eq!(rig.finish(), [""; 0], "{what}");
    }
}

#[test]
fn without_callbacks_there_is_nothing_to_register() {
    let rig = Rig::new(|parent| {
        let iio = devm_iio_device_alloc(parent)?;
        assert_eq!(iio_device_register(&iio), Err(Errno::EINVAL));
        Ok(iio)
    });
    rig.unplug();
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn every_allocation_that_fails_is_unwound() {
    let mut failed = 0;
    for nth in 1.. {
        let rig = Rig::new(move |parent| {
            parent.system().fail_nth(nth);
            let made = dummy(parent);
            let reached = parent.system().fail_nth_left() == 0;
            parent.system().fail_nth(0);
            match made {
                Err(Errno::ENOMEM) => Err(Errno::ENOMEM),
                // Some failures are looked past, as in the kernel.
                Ok(iio) if !reached => Ok(iio),
                other => {
                    other?;
                    Err(Errno::EIO)
                }
            }
        });
        let done = rig.hardware.driver().is_some();
        failed += u32::from(!done);
        rig.unplug();
        assert_eq!(rig.splats(), [""; 0], "allocation {nth}");
        assert_eq!(rig.finish(), [""; 0], "allocation {nth}");
        if done {
            break;
        }
    }
    assert!(failed > 30, "only {failed} allocations failed the probe");
}

#[test]
fn a_device_that_failed_to_register_can_be_registered_again() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
        iio.set_channels([voltage(0), voltage(0)]);
        assert!(iio_device_register(&iio).is_err());
        iio.set_channels([voltage(0), voltage(1)]);
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    assert_eq!(rig.read("in_voltage1_raw").unwrap(), "42");
    assert!(rig.open(OpenFlags::RDONLY).is_ok());
    rig.unplug();
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn misuse_of_the_raw_face_is_a_splat_and_never_worse() {
    // Unregistered twice, freed twice, used after it was released.
    let rig = Rig::new(|parent| {
        let iio = iio_device_alloc(parent)?;
        iio.set_info(IioInfo::default());
        iio_device_register(&iio)?;
        Ok(iio)
    });
    let iio = rig.iio();
    iio_device_unregister(&iio);
    iio_device_unregister(&iio);
    assert_eq!(rig.splats().len(), 1, "{:?}", rig.splats());
    iio_device_free(&iio);
    assert!(iio.dev().is_released());
    iio_device_put(&iio);
    assert_eq!(rig.splats().len(), 2, "{:?}", rig.splats());
    assert!(iio_device_register(&iio).is_err());
    assert_eq!(iio_push_to_buffers(&iio, &[]), Ok(()));
    assert_eq!(iio_push_event(&iio, 0, 0), Ok(()));
    rig.unplug();
}

#[test]
fn a_device_released_while_registered_is_taken_out_with_a_splat() {
    let rig = Rig::new(|parent| {
        let iio = iio_device_alloc(parent)?;
        iio.set_info(IioInfo::default());
        iio_device_register(&iio)?;
        Ok(iio)
    });
    let iio = rig.iio();
    while !iio.dev().is_released() {
        iio_device_put(&iio);
    }
    assert!(!rig.splats().is_empty());
    rig.unplug();
}

#[test]
fn the_framework_tells_what_it_did() {
    let rig = Rig::buffering();
    rig.fire();
    rig.fire();
    rig.fire();
    rig.unplug();
    assert_eq!(
        rig.story(),
        [
            "iio:device0: registered, with a character device",
            "iio:device0: buffer 0 enabled, 2 bytes a sample",
            "trigger0: fired, 1 called",
            "trigger0: fired, 1 called",
            "trigger0: fired, 1 called",
            "iio:device0: buffer 0 full, sample dropped",
            "iio:device0: buffer 0 disabled",
            "iio:device0: unregistered, callbacks gone",
        ]
    );
}

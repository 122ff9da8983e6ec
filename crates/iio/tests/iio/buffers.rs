//! Enabling, disabling and filling buffers: the kernel's answers.

use core::time::Duration;

use lastfd_chrdev::{OpenFlags, PollMask, Process};
use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use lastfd_rigs::iio::{Rig, dummy, plain, voltage};

/// A device whose driver fills a FIFO by itself.
fn software(parent: &Device) -> Result<IioDev> {
    let iio = plain(parent)?;
    iio.set_channels([voltage(0), voltage(1), ChannelSpec::soft_timestamp(2)]);
    devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
    devm_iio_device_register(parent, &iio)?;
    Ok(iio)
}

#[test]
fn every_write_to_a_buffer_is_answered_as_in_the_kernel() {
    let rig = Rig::new(software);
    let table: &[(&str, &str, Result<usize>)] = &[
        // At least one element; a time stamp alone does not count.
        ("buffer/enable", "1", Err(Errno::EINVAL)),
        ("scan_elements/in_timestamp_en", "1", Ok(1)),
        ("buffer/enable", "1", Err(Errno::EINVAL)),
        ("scan_elements/in_voltage0_en", "x", Err(Errno::EINVAL)),
        ("scan_elements/in_voltage0_en", "on\n", Ok(3)),
        ("buffer/length", "-1", Err(Errno::EINVAL)),
        ("buffer/length", "4294967296", Err(Errno::ERANGE)),
        ("buffer/length", "0", Ok(1)),
        ("buffer/watermark", "0", Err(Errno::EINVAL)),
        ("buffer/watermark", "3", Err(Errno::EINVAL)),
        ("buffer/length", "8\0", Ok(2)),
        ("buffer/watermark", "8", Ok(1)),
        ("buffer/length", "4", Ok(1)),
        ("buffer/enable", "maybe", Err(Errno::EINVAL)),
        ("buffer/enable", "1", Ok(1)),
        ("buffer/enable", "1", Ok(1)),
        // Nothing moves while it runs; the length that it has already is fine.
        ("buffer/length", "4", Ok(1)),
        ("buffer/length", "8", Err(Errno::EBUSY)),
        ("buffer/watermark", "1", Err(Errno::EBUSY)),
        ("buffer/watermark", "9", Err(Errno::EINVAL)),
        ("scan_elements/in_voltage1_en", "1", Err(Errno::EBUSY)),
        ("scan_elements/in_voltage0_en", "1", Err(Errno::EBUSY)),
        ("scan_elements/in_timestamp_en", "0", Err(Errno::EBUSY)),
        ("buffer0/in_voltage1_en", "1", Err(Errno::EBUSY)),
        ("buffer/enable", "0", Ok(1)),
        ("scan_elements/in_voltage1_en", "1", Ok(1)),
    ];
    for (path, text, answer) in table {
        assert_eq!(rig.write(path, text), *answer, "{path} = {text:?}");
    }
    // The length is at least 2, and the watermark follows it down.
    assert_eq!(rig.read("buffer/watermark").unwrap(), "4");
    assert_eq!(rig.read("buffer0/in_voltage1_en").unwrap(), "1");
    assert_eq!(rig.read("buffer/length").unwrap(), "4");
}

#[test]
fn a_sample_lies_as_the_kernel_packs_it() {
    let rig = Rig::new(software);
    for element in ["in_voltage0_en", "in_voltage1_en", "in_timestamp_en"] {
        rig.write(&format!("scan_elements/{element}"), "1").unwrap();
    }
    rig.write("buffer/enable", "1").unwrap();
    let iio = rig.iio();
    let mut scan = [1, 2, 3, 4, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9];
    iio_push_to_buffers_with_timestamp(&iio, &mut scan, 0x0807_0605_0403_0201).unwrap();
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    let mut sample = [0; 16];
    assert_eq!(file.read(&mut sample), Ok(16));
    assert_eq!(sample, [1, 2, 3, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_full_buffer_keeps_the_oldest_and_holds_a_power_of_two() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/length", "3").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    let pushed: Vec<Result> = (0..6_u16)
        .map(|n| iio_push_to_buffers(&rig.iio(), &n.to_ne_bytes()))
        .collect();
    let full = Err(Errno::EBUSY);
    assert_eq!(pushed, [Ok(()), Ok(()), Ok(()), Ok(()), full, full]);
    assert_eq!(rig.read("buffer/data_available").unwrap(), "4");
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    let mut data = [0; 64];
    assert_eq!(file.read(&mut data[..5]), Ok(4), "whole samples only");
    assert_eq!(file.read(&mut data[4..]), Ok(4));
    assert_eq!(data[..8], [0, 0, 1, 0, 2, 0, 3, 0]);
}

#[test]
fn a_length_that_no_memory_is_left_for_is_refused_when_it_is_enabled() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    for (length, answer) in [
        ("4294967295", Err(Errno::EINVAL)),
        ("4194304", Err(Errno::ENOMEM)),
        ("2097152", Ok(1)),
    ] {
        assert_eq!(rig.write("buffer/length", length), Ok(length.len()));
        assert_eq!(rig.write("buffer/enable", "1"), answer, "{length}");
    }
}

#[test]
fn enabling_again_forgets_what_was_left() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    iio_push_to_buffers(&rig.iio(), &[1, 0]).unwrap();
    rig.write("buffer/enable", "0").unwrap();
    assert_eq!(rig.read("buffer/data_available").unwrap(), "1");
    assert_eq!(
        iio_push_to_buffers(&rig.iio(), &[2, 0]),
        Ok(()),
        "nobody asked"
    );
    rig.write("buffer/enable", "1").unwrap();
    assert_eq!(rig.read("buffer/data_available").unwrap(), "0");
}

#[test]
fn reads_are_answered_as_in_the_kernel() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    let file = rig.open(OpenFlags::RDWR).unwrap();
    assert_eq!(file.read(&mut [0; 8]), Ok(0), "never enabled: the end");
    rig.write("buffer/enable", "1").unwrap();
    assert_eq!(file.read(&mut [0; 1]), Err(Errno::EINVAL));
    assert_eq!(file.read(&mut []), Err(Errno::EINVAL));
    assert_eq!(file.write(&[0; 2]), Err(Errno::EPERM));
    file.set_flags(OpenFlags::RDWR | OpenFlags::NONBLOCK)
        .unwrap();
    assert_eq!(file.read(&mut [0; 8]), Err(Errno::EAGAIN));
    assert_eq!(file.read(&mut [0; 1]), Err(Errno::EINVAL));
    iio_push_to_buffers(&rig.iio(), &[1, 0]).unwrap();
    assert_eq!(file.read(&mut [0; 8]), Ok(2));
}

#[test]
fn poll_waits_for_the_watermark() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/length", "4").unwrap();
    rig.write("buffer/watermark", "2").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    let now = || file.poll(PollMask::IN, Some(Duration::ZERO));
    iio_push_to_buffers(&rig.iio(), &[1, 0]).unwrap();
    assert_eq!(now(), PollMask::NONE);
    iio_push_to_buffers(&rig.iio(), &[2, 0]).unwrap();
    assert_eq!(now(), PollMask::IN);
    // Of a disabled buffer one sample is enough.
    assert_eq!(file.read(&mut [0; 2]), Ok(2));
    assert_eq!(now(), PollMask::NONE);
    rig.write("buffer/enable", "0").unwrap();
    assert_eq!(now(), PollMask::IN);
}

#[test]
fn a_buffer_with_a_descriptor_of_its_own_is_busy_elsewhere() {
    let rig = Rig::buffering();
    let chrdev = rig.open(OpenFlags::RDWR).unwrap();
    rig.fire();
    let own = chrdev.ioctl_file(IIO_BUFFER_GET_FD_IOCTL, 0).unwrap();
    assert_eq!(chrdev.read(&mut [0; 2]), Err(Errno::EBUSY));
    assert_eq!(chrdev.write(&[0; 2]), Err(Errno::EBUSY));
    let polled = chrdev.poll(PollMask::IN, Some(Duration::ZERO));
    assert_eq!(polled, PollMask::NONE);
    for (index, errno) in [(0, Errno::EBUSY), (1, Errno::ENODEV), (-1, Errno::ENODEV)] {
        let again = chrdev.ioctl_file(IIO_BUFFER_GET_FD_IOCTL, index);
        assert_eq!(again.err(), Some(errno), "buffer {index}");
    }
    // A FIFO has no memory to share.
    assert_eq!(own.ioctl_bytes(0x4004_6992, &mut [0; 4]), Err(Errno::EPERM));
    assert_eq!(own.read(&mut [0; 2]), Ok(2));
    drop(own);
    rig.fire();
    assert_eq!(chrdev.read(&mut [0; 2]), Ok(2));
}

#[test]
fn a_descriptor_that_could_not_be_given_is_closed_again() {
    let rig = Rig::buffering();
    let chrdev = rig.open(OpenFlags::RDWR).unwrap();
    let count = kref_read(rig.iio().dev());
    for cmd in [IIO_BUFFER_GET_FD_IOCTL, IIO_GET_EVENT_FD_IOCTL] {
        // No place for descriptors, then nothing to write the number to.
        assert_eq!(chrdev.ioctl_bytes(cmd, &mut [0; 4]), Err(Errno::EMFILE));
        let mut program = Process::new();
        let arg = program.map_readonly(vec![0; 4]);
        assert_eq!(chrdev.ioctl(cmd, arg, &mut program), Err(Errno::EFAULT));
        let refused = chrdev.ioctl(cmd, 0, &mut program);
        assert_eq!(refused, Err(Errno::EFAULT));
        assert_eq!(kref_read(rig.iio().dev()), count);
        chrdev.ioctl_file(cmd, 0).unwrap();
    }
    assert_eq!(kref_read(rig.iio().dev()), count);
}

#[test]
fn direct_mode_and_buffers_exclude_each_other() {
    let rig = Rig::buffering();
    assert_eq!(rig.read("in_voltage0_raw"), Err(Errno::EBUSY));
    assert!(iio_buffer_enabled(&rig.iio()));
    assert!(iio_device_claim_buffer_mode(&rig.iio()).is_ok());
    rig.write("buffer/enable", "0").unwrap();
    assert_eq!(rig.read("in_voltage0_raw").unwrap(), "42");
    assert_eq!(
        iio_device_claim_buffer_mode(&rig.iio()).err(),
        Some(Errno::EBUSY)
    );
    let iio = rig.iio();
    let claim = iio_device_claim_direct_mode(&iio).unwrap();
    let store = {
        let iio = iio.clone();
        move || attr_write(iio.dev(), "buffer/enable", b"1")
    };
    let task = rig.clock.spawn("enabler", store).unwrap();
    lastfd_sync::thread::yield_now();
    assert!(!task.is_finished(), "the claim holds it up");
    iio_device_release_direct_mode(claim);
    assert_eq!(task.join().unwrap(), Ok(1));
}

#[test]
fn a_setup_callback_that_claims_direct_mode_is_told_of_its_deadlock() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        let ops = IioBufferSetupOps {
            preenable: Some(Arc::new(|iio| {
                iio_device_claim_direct_mode(iio).map(iio_device_release_direct_mode)
            })),
            ..IioBufferSetupOps::default()
        };
        devm_iio_kfifo_buffer_setup(parent, &iio, ops)?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    let _ = rig.write("buffer/enable", "1");
    assert_eq!(rig.splats(), ["mlock is taken by the task that holds it"]);
}

/// Steps of the driver, in the order they were called.
type Steps = Arc<Mutex<Vec<&'static str>>>;

/// A setup operation that notes its name, and fails if it is the one to fail.
fn step(
    steps: &Steps,
    name: &'static str,
    failing: &'static str,
) -> Callback<dyn Fn(&IioDev) -> Result + Send + Sync> {
    let steps = Arc::clone(steps);
    Some(Arc::new(move |_| {
        steps.lock().push(name);
        if name == failing {
            return Err(Errno::EIO);
        }
        Ok(())
    }))
}

#[test]
fn a_step_that_fails_is_unwound_in_the_kernels_order() {
    let on = ["preenable", "scan mode", "trigger on", "postenable"];
    let table: &[(&str, &[&str])] = &[
        ("preenable", &["preenable"]),
        ("scan mode", &["preenable", "scan mode", "postdisable"]),
        (
            "trigger on",
            &["preenable", "scan mode", "trigger on", "postdisable"],
        ),
        (
            "postenable",
            &[
                "preenable",
                "scan mode",
                "trigger on",
                "postenable",
                "trigger off",
                "postdisable",
            ],
        ),
        ("nothing", &on),
    ];
    for &(failing, expected) in table {
        let steps = Steps::default();
        let log = Arc::clone(&steps);
        let rig = Rig::new(move |parent| {
            let iio = dummy(parent)?;
            iio.set_setup_ops(IioBufferSetupOps {
                preenable: step(&log, "preenable", failing),
                postenable: step(&log, "postenable", failing),
                predisable: step(&log, "predisable", failing),
                postdisable: step(&log, "postdisable", failing),
                validate_scan_mask: None,
            });
            let mode = step(&log, "scan mode", failing).unwrap();
            iio.set_info(IioInfo {
                update_scan_mode: Some(Arc::new(move |iio, _| mode(iio))),
                ..IioInfo::default()
            });
            let trigger = devm_iio_trigger_alloc(parent, "told")?;
            let log = Arc::clone(&log);
            trigger.set_ops(IioTriggerOps {
                set_trigger_state: Some(Arc::new(move |_, on| {
                    let name = if on { "trigger on" } else { "trigger off" };
                    log.lock().push(name);
                    if name == failing {
                        return Err(Errno::EIO);
                    }
                    Ok(())
                })),
                ..IioTriggerOps::default()
            });
            devm_iio_trigger_register(parent, &trigger)?;
            Ok(iio)
        });
        rig.write("trigger/current_trigger", "told").unwrap();
        rig.write("scan_elements/in_voltage0_en", "1").unwrap();
        let enabled = rig.write("buffer/enable", "1");
        assert_eq!(*steps.lock(), expected, "{failing} fails");
        if failing == "nothing" {
            assert_eq!(enabled, Ok(1));
            steps.lock().clear();
            rig.write("buffer/enable", "0").unwrap();
            assert_eq!(*steps.lock(), ["predisable", "trigger off", "postdisable"]);
        } else {
            assert_eq!(enabled, Err(Errno::EIO));
            assert_eq!(rig.read("buffer/enable").unwrap(), "0");
            assert_eq!(rig.iio().current_mode(), Modes::DIRECT);
        }
        rig.unplug();
        assert_eq!(rig.finish(), [""; 0]);
    }
}

#[test]
fn disabling_goes_on_when_the_driver_says_no() {
    let steps = Steps::default();
    let log = Arc::clone(&steps);
    let rig = Rig::new(move |parent| {
        let iio = plain(parent)?;
        let ops = IioBufferSetupOps {
            predisable: step(&log, "predisable", "predisable"),
            postdisable: step(&log, "postdisable", ""),
            ..IioBufferSetupOps::default()
        };
        devm_iio_kfifo_buffer_setup(parent, &iio, ops)?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    assert_eq!(rig.write("buffer/enable", "0"), Err(Errno::EIO));
    assert_eq!(*steps.lock(), ["predisable", "postdisable"]);
    assert_eq!(rig.read("buffer/enable").unwrap(), "0");
}

#[test]
fn the_hardware_chooses_the_scan_where_it_cannot_do_any() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        iio.set_channels([voltage(0), voltage(1), voltage(2)]);
        iio.set_available_scan_masks([ScanMask::of(&[0, 1])]);
        devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    let impossible = rig.write("scan_elements/in_voltage2_en", "1");
    assert_eq!(impossible, Err(Errno::EINVAL));
    rig.write("scan_elements/in_voltage1_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    assert_eq!(rig.iio().active_scan_mask(), Some(ScanMask::of(&[0, 1])));
    iio_push_to_buffers(&rig.iio(), &[1, 1, 2, 2]).unwrap();
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    let mut data = [0; 2];
    assert_eq!(file.read(&mut data), Ok(2));
    assert_eq!(data, [2, 2]);
}

#[test]
fn a_read_drains_the_hardwares_own_fifo() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        iio.set_info(IioInfo {
            hwfifo_flush_to_buffer: Some(Arc::new(|iio, samples| {
                for _ in 0..samples {
                    iio_push_to_buffers(iio, &[7, 0])?;
                }
                Ok(samples)
            })),
            ..IioInfo::default()
        });
        devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    assert_eq!(file.read(&mut [0; 2]), Ok(2), "flushed instead of waiting");
    file.set_flags(OpenFlags::NONBLOCK).unwrap();
    assert_eq!(file.read(&mut [0; 4]), Ok(4));
}

#[test]
fn a_push_of_too_little_is_a_splat() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("scan_elements/in_timestamp_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    let short = iio_push_to_buffers_with_timestamp(&rig.iio(), &mut [0; 8], 0);
    assert_eq!(short, Err(Errno::EINVAL));
    assert_eq!(iio_push_to_buffers(&rig.iio(), &[0]), Err(Errno::EINVAL));
    assert_eq!(rig.splats().len(), 2);
}

#[test]
fn an_unaligned_push_after_device_del_is_the_kernels_own_use_after_free() {
    let rig = Rig::new(|parent| {
        let iio = plain(parent)?;
        iio.set_channels([voltage(0), ChannelSpec::soft_timestamp(1)]);
        // The trigger of a sample that comes too late: the buffer is stopped
        // after the device was taken out.
        let ops = IioBufferSetupOps {
            predisable: Some(Arc::new(|iio| {
                iio_push_to_buffers_with_ts_unaligned(iio, &[1, 2], 3)
            })),
            ..IioBufferSetupOps::default()
        };
        devm_iio_kfifo_buffer_setup(parent, &iio, ops)?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    rig.write("scan_elements/in_timestamp_en", "1").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    iio_push_to_buffers_with_ts_unaligned(&rig.iio(), &[1, 2], 3).unwrap();
    assert_eq!(rig.splats(), [""; 0]);
    rig.unplug();
    assert!(!rig.splats().is_empty());
}

#[test]
fn users_inside_the_kernel_enable_buffers_too() {
    let rig = Rig::new(software);
    rig.write("scan_elements/in_voltage0_en", "1").unwrap();
    let iio = rig.iio();
    let buffer = iio.buffer(0).unwrap();
    assert_eq!(iio_update_buffers(&iio, Some(&buffer), None), Ok(()));
    assert!(buffer.is_active());
    assert_eq!(iio_update_buffers(&iio, Some(&buffer), None), Ok(()));
    assert_eq!(iio_update_buffers(&iio, None, Some(&buffer)), Ok(()));
    assert!(!buffer.is_active());
    rig.unplug();
    assert_eq!(
        iio_update_buffers(&iio, Some(&buffer), None),
        Err(Errno::ENODEV)
    );
}

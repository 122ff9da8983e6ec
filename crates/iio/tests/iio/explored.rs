//! Unplug against use, over many schedules: whoever comes first, nobody hangs,
//! nothing is called too late, everything is released.

use core::sync::atomic::Ordering;

use lastfd_chrdev::OpenFlags;
use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, explore, thread};

use lastfd_rigs::iio::{Rig, dummy, plain, voltage};

const SCHEDULES: usize = 50;

fn explored(body: impl Fn() + Clone + Send + Sync + 'static) {
    let random = explore::check_random(SCHEDULES, 11, body.clone());
    random.unwrap_or_else(|failure| panic!("{failure}"));
    let pct = explore::check_pct(SCHEDULES, 3, 12, body);
    pct.unwrap_or_else(|failure| panic!("{failure}"));
}

fn unplugged(rig: Rig) {
    assert!(rig.iio().dev().is_released());
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn readers_get_each_sample_once_and_then_enodev() {
    explored(|| {
        let rig = Rig::buffering();
        let file = rig.open(OpenFlags::RDONLY).unwrap();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let file = file.clone();
                let read = move || {
                    let mut got = Vec::new();
                    let mut sample = [0; 2];
                    loop {
                        match file.read(&mut sample) {
                            Ok(2) => got.push(u16::from_ne_bytes(sample)),
                            other => return (got, other),
                        }
                    }
                };
                thread::spawn("reader", read).unwrap()
            })
            .collect();
        drop(file);
        rig.fire();
        rig.fire();
        rig.unplug();
        let mut all = Vec::new();
        for reader in readers {
            let (got, end) = reader.join().unwrap();
            assert_eq!(end, Err(Errno::ENODEV));
            assert!(got.is_sorted());
            all.extend(got);
        }
        all.sort_unstable();
        let whole: Vec<u16> = (0..all.len() as u16).collect();
        assert_eq!(all, whole, "none twice, none skipped");
        unplugged(rig);
    });
}

#[test]
fn no_callback_runs_after_unregister() {
    explored(|| {
        let gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&gone);
        let rig = Rig::new(move |parent| {
            let iio = plain(parent)?;
            iio.set_channels([voltage(0)]);
            let check = |seen: &Arc<AtomicBool>| {
                let seen = Arc::clone(seen);
                let check: Arc<dyn Fn(&IioDev) -> Result + Send + Sync> = Arc::new(move |_| {
                    assert!(!seen.load(Ordering::SeqCst), "called too late");
                    Ok(())
                });
                Some(check)
            };
            let read = check(&seen).unwrap();
            iio.set_info(IioInfo {
                read_raw: Some(Arc::new(move |iio, _, _| {
                    read(iio)?;
                    let _direct = iio_device_claim_direct_mode(iio)?;
                    read(iio)?;
                    Ok(Value::Int(1))
                })),
                ..IioInfo::default()
            });
            let ops = IioBufferSetupOps {
                preenable: check(&seen),
                postenable: check(&seen),
                predisable: check(&seen),
                postdisable: check(&seen),
                validate_scan_mask: None,
            };
            devm_iio_kfifo_buffer_setup(parent, &iio, ops)?;
            devm_iio_device_register(parent, &iio)?;
            Ok(iio)
        });
        rig.write("scan_elements/in_voltage0_en", "1").unwrap();
        let iio = rig.iio();
        let switch = {
            let iio = iio.clone();
            thread::spawn("switch", move || {
                for text in [b"1", b"0", b"1"] {
                    let written = lastfd_model::raw::attr_write(iio.dev(), "buffer/enable", text);
                    let expected = [Ok(1), Err(Errno::ENOENT), Err(Errno::ENODEV)];
                    assert!(expected.contains(&written), "{written:?}");
                }
            })
            .unwrap()
        };
        let reader = thread::spawn("reader", move || {
            let read = lastfd_model::raw::attr_read(iio.dev(), "in_voltage0_raw");
            let expected = [
                Ok(b"1\n".to_vec()),
                Err(Errno::EBUSY),
                Err(Errno::ENOENT),
                Err(Errno::ENODEV),
            ];
            assert!(expected.contains(&read), "{read:?}");
        })
        .unwrap();
        rig.unplug();
        gone.store(true, Ordering::SeqCst);
        switch.join().unwrap();
        reader.join().unwrap();
        unplugged(rig);
    });
}

#[test]
fn descriptors_asked_for_while_the_device_goes_hold_it_or_are_refused() {
    explored(|| {
        let rig = Rig::new(dummy);
        let path = rig.path();
        let system = rig.system.clone();
        let user = thread::spawn("user", move || {
            let Ok(chrdev) = lastfd_chrdev::open(&system, &path, OpenFlags::RDWR) else {
                return;
            };
            for cmd in [IIO_BUFFER_GET_FD_IOCTL, IIO_GET_EVENT_FD_IOCTL] {
                match chrdev.ioctl_file(cmd, 0) {
                    Ok(file) => {
                        file.set_flags(OpenFlags::NONBLOCK).unwrap();
                        let read = file.read(&mut [0; 16]);
                        let expected = [Ok(0), Err(Errno::EAGAIN), Err(Errno::ENODEV)];
                        assert!(expected.contains(&read), "{read:?}");
                    }
                    Err(errno) => assert_eq!(errno, Errno::ENODEV),
                }
            }
        })
        .unwrap();
        rig.unplug();
        user.join().unwrap();
        unplugged(rig);
    });
}

#[test]
fn a_trigger_that_fires_while_the_device_goes_finds_it_or_nobody() {
    explored(|| {
        let rig = Rig::buffering();
        let trigger = rig.iio().trigger().unwrap();
        iio_trigger_get(&trigger);
        let fired = trigger.clone();
        let firing = thread::spawn("timer", move || {
            iio_trigger_poll(&fired);
            iio_trigger_poll(&fired);
        })
        .unwrap();
        rig.unplug();
        firing.join().unwrap();
        assert_eq!(trigger.consumers(), 0);
        iio_trigger_put(&trigger);
        assert!(trigger.dev().is_released());
        unplugged(rig);
    });
}

//! The lifetimes recorded from a kernel (oracle traces l1 to l4 and l8).

use lastfd_chrdev::{OpenFlags, PollTable};
use lastfd_iio::raw::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Result};
use lastfd_sync::{Arc, Mutex};

use lastfd_rigs::iio::{Rig, answers, plain, voltage};

type Log = Arc<Mutex<Vec<String>>>;

/// A managed action that notes its name.
fn note(device: &Device, log: &Log, name: &'static str) -> Result {
    let log = Arc::clone(log);
    devm_add_action(device, Action::new(move || log.lock().push(name.into())))
}

/// The releases of devices and what the log says, in order.
fn releases(rig: &Rig, log: &Log) -> Vec<String> {
    let mut story = log.lock().clone();
    let events = rig.record.events();
    let released = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Released { .. }));
    story.extend(released.map(|event| event.kind.to_string()));
    story
}

fn logged(log: &Log) -> impl Fn(&Device, bool) -> Result<IioDev> + Send + Sync + 'static {
    let log = Arc::clone(log);
    move |parent, buffer| {
        note(parent, &log, "A1")?;
        note(parent, &log, "A2")?;
        let iio = plain(parent)?;
        note(parent, &log, "A3")?;
        if buffer {
            devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
        }
        devm_iio_device_register(parent, &iio)?;
        note(parent, &log, "A4")?;
        Ok(iio)
    }
}

#[test]
fn l1_a_managed_device_that_nobody_holds_goes_with_its_parents_driver() {
    let log = Log::default();
    let setup = logged(&log);
    let rig = Rig::new(move |parent| setup(parent, false));
    let iio = rig.iio();
    assert_eq!(kref_read(iio.dev()), 3);
    assert_eq!(kref_read(&rig.hardware), 5);
    assert_eq!(&*iio.dev().name(), "iio:device0");
    assert!(iio.dev().devt().is_none(), "no buffer, no events, no node");
    // The release of the IIO device lies between A3 and A2.
    let order = Arc::clone(&log);
    let _listener = rig
        .system
        .subscribe(Arc::new(move |event: &lastfd_model::Event| {
            if let EventKind::Released { device } = &event.kind {
                order.lock().push(format!("RELEASE {device}"));
            }
        }));
    rig.unplug();
    assert_eq!(
        *log.lock(),
        [
            "A4",
            "A3",
            "RELEASE iio:device0",
            "A2",
            "A1",
            "RELEASE dummy.0"
        ]
    );
    assert!(iio.dev().is_released());
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn l2_an_extra_reference_keeps_the_device_but_not_its_callbacks() {
    let log = Log::default();
    let setup = logged(&log);
    let rig = Rig::new(move |parent| setup(parent, false));
    let iio = rig.iio();
    iio_device_get(&iio);
    assert_eq!(kref_read(iio.dev()), 4);
    assert_eq!(kref_read(&rig.hardware), 5);
    assert!(iio.has_info());
    rig.unplug();
    assert_eq!(*log.lock(), ["A4", "A3", "A2", "A1"]);
    assert!(
        rig.hardware.is_released(),
        "the parent does not wait for it"
    );
    assert_eq!(kref_read(iio.dev()), 1);
    assert!(!iio.has_info());
    assert!(!iio_device_is_registered(&iio));
    iio_device_put(&iio);
    assert!(iio.dev().is_released());
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn l3_a_driver_may_register_and_unregister_by_hand() {
    let rig = Rig::new(|parent| {
        let iio = iio_device_alloc(parent)?;
        iio.set_name("lfiio");
        iio.set_info(answers());
        iio.set_channels([voltage(0)]);
        iio_device_register(&iio)?;
        Ok(iio)
    });
    let iio = rig.iio();
    assert_eq!(kref_read(iio.dev()), 3);
    assert_eq!(kref_read(&rig.hardware), 5);
    iio_device_unregister(&iio);
    assert!(!iio.has_info());
    assert_eq!(kref_read(iio.dev()), 1);
    iio_device_free(&iio);
    assert!(iio.dev().is_released());
    rig.unplug();
    assert!(rig.hardware.is_released());
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn l4_an_open_file_keeps_the_device_and_gets_enodev() {
    let log = Log::default();
    let setup = logged(&log);
    let rig = Rig::new(move |parent| setup(parent, true));
    let iio = rig.iio();
    assert_eq!(kref_read(iio.dev()), 4);
    assert_eq!(kref_read(&rig.hardware), 5);
    let file = rig.open(OpenFlags::RDONLY | OpenFlags::NONBLOCK).unwrap();
    assert_eq!(kref_read(iio.dev()), 5);
    assert_eq!(rig.open(OpenFlags::RDONLY).err(), Some(Errno::EBUSY));
    assert_eq!(kref_read(iio.dev()), 5);
    assert_eq!(file.read(&mut [0; 16]), Ok(0));
    assert!(file.try_poll(&mut PollTable::now()).is_empty());
    assert_eq!(file.ioctl_bytes(0x1234, &mut []), Err(Errno::ENODEV));
    rig.unplug();
    assert_eq!(*log.lock(), ["A4", "A3", "A2", "A1"]);
    assert_eq!(kref_read(iio.dev()), 2);
    assert!(rig.hardware.is_released());
    assert!(!iio.has_info());
    assert_eq!(file.read(&mut [0; 16]), Err(Errno::ENODEV));
    assert!(file.try_poll(&mut PollTable::now()).is_empty());
    assert_eq!(file.ioctl_bytes(0x1234, &mut []), Err(Errno::ENODEV));
    assert_eq!(rig.open(OpenFlags::RDONLY).err(), Some(Errno::ENOENT));
    assert!(!iio.dev().is_released());
    drop(file);
    assert!(iio.dev().is_released());
    let story = releases(&rig, &Log::default());
    assert_eq!(story, ["dummy.0: RELEASE", "iio:device0: RELEASE"]);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn l8_a_blocked_reader_is_told_when_the_parent_goes() {
    let log = Log::default();
    let steps = Arc::clone(&log);
    let rig = Rig::new(move |parent| {
        note(parent, &steps, "A1")?;
        note(parent, &steps, "A2")?;
        let iio = plain(parent)?;
        let step = |name: &'static str| {
            let log = Arc::clone(&steps);
            let note: Arc<dyn Fn(&IioDev) -> Result + Send + Sync> = Arc::new(move |iio| {
                let info = if iio.has_info() { "set" } else { "NULL" };
                log.lock().push(format!("{name} info={info}"));
                Ok(())
            });
            Some(note)
        };
        let ops = IioBufferSetupOps {
            preenable: step("preenable"),
            postenable: step("postenable"),
            predisable: step("predisable"),
            postdisable: step("postdisable"),
            validate_scan_mask: None,
        };
        devm_iio_kfifo_buffer_setup(parent, &iio, ops)?;
        devm_iio_device_register(parent, &iio)?;
        Ok(iio)
    });
    let iio = rig.iio();
    assert_eq!(rig.write("buffer0/in_voltage0_en", "1"), Ok(1));
    assert_eq!(rig.write("buffer0/enable", "1"), Ok(1));
    let file = rig.open(OpenFlags::RDONLY).unwrap();
    let reader = {
        let file = file.clone();
        let read = move || file.read(&mut [0; 2]);
        rig.clock.spawn("lf-reader", read).unwrap()
    };
    rig.clock.advance(core::time::Duration::from_millis(100));
    rig.unplug();
    assert_eq!(
        *log.lock(),
        [
            "preenable info=set",
            "postenable info=set",
            "predisable info=set",
            "postdisable info=set",
            "A2",
            "A1"
        ]
    );
    assert_eq!(reader.join().unwrap(), Err(Errno::ENODEV));
    assert_eq!(kref_read(iio.dev()), 2);
    assert!(rig.hardware.is_released());
    drop(file);
    assert!(iio.dev().is_released());
    assert_eq!(rig.finish(), [""; 0]);
}

//! The theoretical race in IIO's remove path, reached.
//!
//! A read looks at the callbacks without a lock and then asks the driver to
//! drain its hardware through them (`industrialio-buffer.c: iio_buffer_read`,
//! `iio_buffer_flush_hwfifo`). Unregister may take them away between the two.
#![forbid(unsafe_code)]

use lastfd_chrdev::{OpenFlags, open};
use lastfd_iio::raw::*;
use lastfd_iio::{ChannelSpec, IioEvent, IioEventKind, Modes, ScanType};
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Recording, Result, System};
use lastfd_sync::{Arc, explore, thread};

/// The gap is told of, and nothing worse.
fn reached(record: &Recording) -> bool {
    record.events().iter().any(|event| {
        assert!(!matches!(event.kind, EventKind::Splat { .. }));
        let EventKind::Framework(told) = &event.kind else {
            return false;
        };
        let told = told.as_any().downcast_ref::<IioEvent>();
        told.is_some_and(|told| matches!(told.kind, IioEventKind::KernelGap { .. }))
    })
}

/// A device with a FIFO of its own, its buffer enabled.
fn probe(parent: &Device) -> Result<IioDev> {
    let iio = devm_iio_device_alloc(parent)?;
    iio.set_modes(Modes::DIRECT);
    iio.set_channels([ChannelSpec {
        indexed: true,
        scan_type: ScanType::unsigned(16),
        ..ChannelSpec::default()
    }]);
    iio.set_info(IioInfo {
        hwfifo_flush_to_buffer: Some(Arc::new(|_, _| Ok(0))),
        ..IioInfo::default()
    });
    devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
    devm_iio_device_register(parent, &iio)?;
    Ok(iio)
}

/// One task reads while another unplugs. Panics if the gap was reached, so that
/// the search stops there.
fn read_against_unplug() {
    let system = System::new();
    let record = system.record();
    let driver = Driver::new("adc", &platform_bus(&system));
    driver.set_probe(|device| probe(device).map(drop));
    driver_register(&driver).unwrap();
    let hardware = platform_device_alloc(&system, "adc", PlatformId::None).unwrap();
    platform_device_add(&hardware).unwrap();
    let iio = system.find_bus("iio").unwrap().devices()[0].clone();
    attr_write(&iio, "scan_elements/in_voltage0_en", b"1").unwrap();
    attr_write(&iio, "buffer/enable", b"1").unwrap();
    let file = open(&system, "/dev/iio:device0", OpenFlags::RDONLY).unwrap();
    let reader = thread::spawn("reader", move || file.read(&mut [0; 2])).unwrap();
    platform_device_unregister(&hardware);
    assert_eq!(reader.join().unwrap(), Err(Errno::ENODEV));
    driver_unregister(&driver);
    assert!(iio.is_released());
    assert!(!reached(&record), "the gap is reached");
}

#[test]
fn a_read_can_look_at_the_callbacks_before_and_use_them_after_unregister_took_them() {
    let found = explore::check_pct(10_000, 2, 16, read_against_unplug)
        .expect_err("some schedule reaches the gap");
    assert_eq!(found.message, "the gap is reached");
    // The schedule tells how, and shows it again.
    let again = explore::replay(&found.schedule, read_against_unplug);
    assert!(again.is_err());
}

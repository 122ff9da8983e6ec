//! The mistakes that the typed face forbids (`compile_fail/`) are possible on
//! the raw face, and memory-safe there: they give a splat.

use lastfd_iio::raw::*;
use lastfd_iio::{ChanType, ChannelSpec, Info, InfoMask, Modes, ScanType};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Driver, *};
use lastfd_model::{EventKind, Recording, System};
use lastfd_sync::{Arc, Mutex};

fn splats(events: &Recording) -> Vec<SplatKind> {
    let splat = |kind: &EventKind| match kind {
        EventKind::Splat { kind, .. } => Some(*kind),
        _ => None,
    };
    let events = events.events();
    events.iter().filter_map(|e| splat(&e.kind)).collect()
}

fn filled(iio: &IioDev) {
    iio.set_name("dummy");
    iio.set_info(IioInfo::default());
    iio.set_modes(Modes::DIRECT);
    iio.set_channels([ChannelSpec {
        type_: ChanType::Voltage,
        indexed: true,
        info_mask_separate: InfoMask::of(&[Info::Raw]),
        scan_index: 0,
        scan_type: ScanType::unsigned(16),
        ..ChannelSpec::default()
    }]);
}

/// Binds a driver whose probe does as told, and gives the hardware.
fn bound(
    system: &System,
    probe: impl Fn(&Device) -> lastfd_model::Result + Send + Sync + 'static,
) -> (Device, Driver) {
    let driver = platform_driver(system, "dummy");
    driver.set_probe(probe);
    driver_register(&driver).unwrap();
    let hardware = platform_device_register(system, "dummy", PlatformId::None).unwrap();
    assert!(hardware.driver().is_some());
    (hardware, driver)
}

#[test]
fn g1_managed_memory_that_a_last_close_still_uses_is_told() {
    let system = System::new();
    let events = system.record();
    let kept: Arc<Mutex<Option<IioDev>>> = Arc::default();
    let to = Arc::clone(&kept);
    let (hardware, driver) = bound(&system, move |parent| {
        // The driver's state lies in the parent's memory, and the release of
        // the refcounted device reads it.
        let state = devm_kzalloc(parent, 8)?;
        let iio = devm_iio_device_alloc(parent)?;
        filled(&iio);
        devm_iio_device_register(parent, &iio)?;
        let dev = iio.dev().clone();
        dev_set_release(&dev, Arc::new(move |_| drop(state.read(0..8))));
        *to.lock() = Some(iio);
        Ok(())
    });
    let iio = kept.lock().take().unwrap();
    iio_device_get(&iio);
    platform_device_unregister(&hardware);
    assert_eq!(splats(&events), []);
    iio_device_put(&iio);
    assert_eq!(splats(&events), [SplatKind::UseAfterFree]);
    driver_unregister(&driver);
}

#[test]
fn g2_memory_managed_by_the_iio_device_is_gone_before_its_buffers_stop() {
    let system = System::new();
    let events = system.record();
    let kept: Arc<Mutex<Option<IioDev>>> = Arc::default();
    let to = Arc::clone(&kept);
    let (hardware, driver) = bound(&system, move |parent| {
        let iio = devm_iio_device_alloc(parent)?;
        filled(&iio);
        // On the wrong device: it is freed in device_del.
        let bounce = devm_kzalloc(iio.dev(), 8)?;
        let ops = IioBufferSetupOps {
            predisable: Some(Arc::new(move |_| {
                bounce.write(0, &[1]);
                Ok(())
            })),
            ..IioBufferSetupOps::default()
        };
        devm_iio_kfifo_buffer_setup(parent, &iio, ops)?;
        devm_iio_device_register(parent, &iio)?;
        *to.lock() = Some(iio);
        Ok(())
    });
    let iio = kept.lock().take().unwrap();
    attr_write(iio.dev(), "buffer0/in_voltage0_en", b"1").unwrap();
    attr_write(iio.dev(), "buffer0/enable", b"1").unwrap();
    assert_eq!(splats(&events), []);
    platform_device_unregister(&hardware);
    assert_eq!(splats(&events), [SplatKind::UseAfterFree]);
    driver_unregister(&driver);
}

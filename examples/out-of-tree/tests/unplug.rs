use lastfd::model::raw::attr_open;
use lastfd::model::resource::RegisterBlock;
use lastfd::model::typed::{PlatformDevice, PlatformDriver};
use lastfd::{Errno, EventKind, System};
use thermometer::Binding;

#[test]
fn a_thermometer_pulled_out_while_it_is_held_gives_enodev_and_leaks_nothing() {
    let system = System::builder().ledger(true).build();
    let events = system.record();
    let hardware = RegisterBlock::memory(4);
    let driver = PlatformDriver::<Binding>::register(&system, "thermometer").unwrap();
    let device = PlatformDevice::register(&system, "thermometer", hardware).unwrap();

    let iio = system.find_bus("iio").unwrap().devices()[0].clone();
    let temperature = attr_open(&iio, "in_temp_raw").unwrap();
    assert_eq!(temperature.read().unwrap(), b"0\n");

    device.unregister();
    assert_eq!(temperature.read(), Err(Errno::ENODEV));

    drop((temperature, iio, driver, system));
    let wrong = |kind: &EventKind| matches!(kind, EventKind::Splat { .. } | EventKind::Leak { .. });
    let wrong: Vec<_> = events
        .events()
        .into_iter()
        .filter(|e| wrong(&e.kind))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

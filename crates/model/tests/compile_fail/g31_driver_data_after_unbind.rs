//! G31: the driver data is gone once the driver is unbound. Only a bound
//! device has any.

use lastfd_model::System;
use lastfd_model::typed::PlatformDevice;

fn main() {
    let system = System::new();
    let device = PlatformDevice::register(&system, "sensor", ()).unwrap();
    let data = device.drvdata::<u32>();
    drop(data);
}

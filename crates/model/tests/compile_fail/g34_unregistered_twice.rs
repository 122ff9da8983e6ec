//! G34: unregistering twice removes what is not there. Unregistering consumes
//! the registration.

use lastfd_model::System;
use lastfd_model::typed::PlatformDevice;

fn main() {
    let system = System::new();
    let device = PlatformDevice::register(&system, "sensor", ()).unwrap();
    device.unregister();
    device.unregister();
}

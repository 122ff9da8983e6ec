//! G18: a managed resource added after the device was removed would be
//! released by nobody. The bound device cannot be kept past the call that
//! lends it.

use lastfd_model::System;
use lastfd_model::typed::{Devres, PlatformDevice};

fn main() {
    let system = System::new();
    let device = PlatformDevice::register(&system, "sensor", ()).unwrap();
    let mut kept = None;
    device.with_bound(|bound| kept = Some(bound));
    device.unregister();
    let late = Devres::new(kept.unwrap(), 7);
    drop(late);
}

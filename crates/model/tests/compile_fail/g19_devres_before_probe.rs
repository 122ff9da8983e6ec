//! G19: a managed resource added before probe keeps every driver from binding.
//! A device of which it is not known that it is bound takes none.

use lastfd_model::System;
use lastfd_model::typed::{Devres, PlatformDevice};

fn main() {
    let system = System::new();
    let device = PlatformDevice::register(&system, "sensor", ()).unwrap();
    let early = Devres::new(&*device, 7);
    drop(early);
}

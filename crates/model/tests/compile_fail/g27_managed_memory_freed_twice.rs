//! G27: an error path that frees what the device manages frees it a second
//! time. Releasing early consumes the handle.

use lastfd_model::typed::{Bound, Device, Devres, Driver};
use lastfd_model::{Errno, Result};

struct Sensor {
    table: Devres<Vec<u32>>,
}

impl Driver for Sensor {
    type Info = ();

    fn probe(device: &Device<Bound>, _info: &()) -> Result<Sensor> {
        let table = Devres::new(device, vec![1, 2, 3])?;
        if device.name().is_empty() {
            table.release();
        }
        Ok(Sensor { table })
    }
}

fn main() {
    let _ = Errno::EIO;
}

//! G2: a managed resource on the IIO device, which frees it before its buffers
//! stop.

use lastfd_iio::Builder;
use lastfd_model::Result;
use lastfd_model::typed::{Bound, Device, Devres};

fn probe(device: &Device<Bound>) -> Result {
    let builder = Builder::new(device, "sensor")?;
    let samples: Vec<u8> = Vec::new();
    Devres::new(&builder.iio().device(), samples)?;
    Ok(())
}

fn main() {}

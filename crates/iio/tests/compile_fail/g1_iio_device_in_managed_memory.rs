//! G1: the IIO device lives in memory that goes at unbind, while files hold it.

use lastfd_iio::Builder;
use lastfd_model::Result;
use lastfd_model::typed::{Bound, Device, Devres};

fn probe(device: &Device<Bound>) -> Result {
    let builder = Builder::new(device, "sensor")?;
    Devres::new(device, builder)?;
    Ok(())
}

fn main() {}

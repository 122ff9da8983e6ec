//! G5: something is added to the device after it was registered.

use lastfd_iio::{Builder, ChannelSpec, Driver};
use lastfd_model::Result;
use lastfd_model::typed::{Bound, Device};

struct Sensor;

impl Driver for Sensor {}

fn probe(device: &Device<Bound>) -> Result {
    let builder = Builder::new(device, "sensor")?;
    builder.register(Sensor)?;
    builder.channel(ChannelSpec::default());
    Ok(())
}

fn main() {}

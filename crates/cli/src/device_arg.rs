//! `--device KIND[:key=value,...]`: which hardware is plugged in.

use std::collections::BTreeMap;

use lastfd::Bench;
use lastfd::devices::Spec;

use crate::failure::Failure;

/// What is plugged in if nothing is said.
pub(crate) const DEFAULT: &str = "iio-adc";

/// Plugs these in, in order.
pub(crate) fn plug_all(bench: &Bench, specs: &[Spec]) -> Result<(), Failure> {
    for spec in specs {
        bench.plug_spec(spec).map_err(|errno| Failure::Plug {
            spec: spec.to_string(),
            errno,
        })?;
    }
    Ok(())
}

/// What they will be called: the kind, with a number from the second of it on.
pub(crate) fn names(specs: &[Spec]) -> Vec<String> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let name = |spec: &Spec| {
        let kind = spec.kind().name;
        let count = counts.entry(kind).or_default();
        *count += 1;
        match *count {
            1 => kind.to_owned(),
            number => format!("{kind}{number}"),
        }
    };
    specs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_kind_has_a_number() {
        let specs = ["iio-adc", "iio-dac", "iio-adc"].map(|spec| spec.parse().unwrap());
        assert_eq!(names(&specs), ["iio-adc", "iio-dac", "iio-adc2"]);
    }
}

//! The lists of what is available.

use std::collections::BTreeSet;

use lastfd_model::{Result, System};

use super::{GainTimes, Scale};
use crate::value::{Available, Value};

/// Every list, made once.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// One for each entry of the time table, by ascending gain.
    per_time: Vec<Vec<Scale>>,
    /// Those of all times in one.
    all: Vec<Scale>,
    /// Microseconds, ascending, each once.
    times: Vec<i32>,
}

impl Tables {
    /// `ENOMEM` if the System is told to fail.
    // industrialio-gts-helper.c: iio_gts_build_avail_tables
    pub(super) fn build(system: &System, gts: &GainTimes) -> Result<Tables> {
        let mut gains: Vec<Vec<i32>> = Vec::new();
        for time in gts.time_table() {
            system.allocation()?;
            let gained = gts.gain_table().iter().map(|gain| gain.gain * time.mul);
            let mut gained: Vec<i32> = gained.collect();
            gained.sort_unstable();
            gains.push(gained);
        }
        let per_time = gains
            .iter()
            .map(|gains| scales(gts, gains))
            .collect::<Result<_>>()?;
        system.allocation()?;
        let all = scales(gts, &merged(gts, &gains))?;
        system.allocation()?;
        let times: BTreeSet<i32> = gts.time_table().iter().map(|time| time.time_us).collect();
        Ok(Tables {
            per_time,
            all,
            times: times.into_iter().collect(),
        })
    }

    pub(super) fn times(&self) -> Option<Available> {
        let times = self.times.iter();
        list(times.map(|&time| Value::IntPlusMicro(time / 1_000_000, time % 1_000_000)))
    }

    pub(super) fn all_scales(&self) -> Option<Available> {
        list(self.all.iter().map(|&scale| scale.into()))
    }

    /// The scales of the time at this place of the time table.
    pub(super) fn scales_at(&self, time: usize) -> Option<Available> {
        let scales = self.per_time.get(time)?;
        let scales = scales.iter().map(|&scale| scale.into());
        Some(Available::List(scales.collect()))
    }
}

fn list(values: impl Iterator<Item = Value>) -> Option<Available> {
    let values: Vec<Value> = values.collect();
    (!values.is_empty()).then_some(Available::List(values))
}

fn scales(gts: &GainTimes, gains: &[i32]) -> Result<Vec<Scale>> {
    gains
        .iter()
        .map(|&gain| gts.total_gain_to_scale(gain))
        .collect()
}

/// The gains of all times, ascending. The last time's are taken as they are, a
/// gain that is listed twice included; of the others what is new.
///
/// Without times it is the hardware's gains: there the kernel reads what lies in
/// front of an empty table.
// industrialio-gts-helper.c: gain_to_scaletables
fn merged(gts: &GainTimes, gains: &[Vec<i32>]) -> Vec<i32> {
    let Some((last, others)) = gains.split_last() else {
        let gains: BTreeSet<i32> = gts.gain_table().iter().map(|gain| gain.gain).collect();
        return gains.into_iter().collect();
    };
    let mut all = last.clone();
    for &gain in others.iter().flatten() {
        if let Err(place) = all.binary_search(&gain) {
            all.insert(place, gain);
        }
    }
    all
}

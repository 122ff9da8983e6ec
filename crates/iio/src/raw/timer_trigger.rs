//! A trigger that fires at a frequency.
//!
//! Follows `drivers/iio/trigger/iio-trig-hrtimer.c`; with whole frequencies,
//! `drivers/iio/trigger/stm32-timer-trigger.c`.

use core::time::Duration;

use lastfd_model::raw::{Action, Attribute, AttributeGroup, Device, devm_add_action_or_reset};
use lastfd_model::resource::{Next, Resource, Timer};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex};

use super::info::IioTriggerOps;
use super::trigger::{
    IioTrigger, iio_trigger_alloc, iio_trigger_free, iio_trigger_poll, iio_trigger_register,
    iio_trigger_unregister,
};
use crate::text::kstrtouint;
use crate::value::{Value, iio_str_to_fixpoint};

/// How `sampling_frequency` of a timer trigger is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrequencyFormat {
    /// `100.000000`, as of the hrtimer trigger: thousandths of a hertz count.
    #[default]
    Fixpoint,
    /// `100`, as of the stm32 timer trigger: whole hertz; 0 stops it.
    Whole,
}

/// The frequency in hertz and millionths of one, and the period it gives.
#[derive(Clone, Copy)]
struct Rate {
    hertz: i32,
    micro: i32,
    /// None: it stands still.
    period: Option<Duration>,
}

impl Rate {
    // iio-trig-hrtimer.c: iio_hrtimer_store_sampling_frequency
    fn parse_fixpoint(text: &[u8]) -> Result<Rate> {
        let (hertz, milli) = iio_str_to_fixpoint(text, 100)?;
        if hertz < 0 || milli < 0 {
            return Err(Errno::ERANGE);
        }
        let in_milli = milli as u64 + 1000 * hertz as u64;
        if in_milli == 0 || in_milli > u64::from(u32::MAX) {
            return Err(Errno::EINVAL);
        }
        Ok(Rate {
            hertz,
            micro: milli * 1000,
            period: Some(Duration::from_nanos(1_000_000_000_000 / in_milli)),
        })
    }

    fn whole(hertz: u32) -> Result<Rate> {
        let shown = i32::try_from(hertz).map_err(|_| Errno::EINVAL)?;
        Ok(Rate {
            hertz: shown,
            micro: 0,
            period: 1_000_000_000_u64
                .checked_div(u64::from(hertz))
                .map(Duration::from_nanos),
        })
    }
}

struct TimerState {
    rate: Rate,
    /// A device listens to it.
    on: bool,
}

/// Registers a trigger that fires `hertz` times a second while a device listens
/// to it, with the frequency in `sampling_frequency`.
///
/// `EEXIST` if the name is taken. To be undone with
/// [`iio_timer_trigger_unregister`].
#[track_caller]
pub fn iio_timer_trigger_register(
    system: &System,
    parent: Option<&Device>,
    name: &str,
    hertz: u32,
    format: FrequencyFormat,
) -> Result<IioTrigger> {
    let rate = Rate::whole(hertz)?;
    system.allocation()?;
    let trigger = iio_trigger_alloc(system, parent, name)?;
    let state = Arc::new(Mutex::new(TimerState { rate, on: false }));
    let timer = timer(system, &trigger, &state);
    trigger.set_private(Arc::new(timer.clone()));
    trigger.set_groups(vec![AttributeGroup::new(vec![frequency(
        &state, &timer, format,
    )])]);
    trigger.set_ops(IioTriggerOps {
        set_trigger_state: Some(Arc::new(move |_, on| {
            let period = {
                let mut state = state.lock();
                state.on = on;
                state.rate.period
            };
            match period {
                Some(period) if on => timer.start(period),
                _ => {
                    timer.cancel();
                }
            }
            Ok(())
        })),
        ..IioTriggerOps::default()
    });
    if let Err(errno) = iio_trigger_register(&trigger) {
        end_timer(&trigger);
        iio_trigger_free(&trigger);
        return Err(errno);
    }
    Ok(trigger)
}

fn timer(system: &System, trigger: &IioTrigger, state: &Arc<Mutex<TimerState>>) -> Timer {
    let (weak, state) = (trigger.downgrade(), Arc::clone(state));
    Timer::new(system, Some(trigger.dev()), trigger.name(), move || {
        if let Some(trigger) = weak.upgrade() {
            iio_trigger_poll(&trigger);
        }
        let state = state.lock();
        match state.rate.period {
            Some(period) if state.on => Next::After(period),
            _ => Next::Stop,
        }
    })
}

fn frequency(state: &Arc<Mutex<TimerState>>, timer: &Timer, format: FrequencyFormat) -> Attribute {
    let (shown, stored, timer) = (Arc::clone(state), Arc::clone(state), timer.clone());
    Attribute::new("sampling_frequency", 0o644)
        .show(move |_| {
            let Rate { hertz, micro, .. } = shown.lock().rate;
            match format {
                FrequencyFormat::Fixpoint => {
                    super::attributes::line(&Value::IntPlusMicro(hertz, micro))
                }
                FrequencyFormat::Whole => Ok(format!("{hertz}\n")),
            }
        })
        .store(move |_, text| {
            let rate = match format {
                FrequencyFormat::Fixpoint => Rate::parse_fixpoint(text)?,
                FrequencyFormat::Whole => Rate::whole(kstrtouint(text, 10)?)?,
            };
            let restart = {
                let mut state = stored.lock();
                let stood = state.on && state.rate.period.is_none();
                state.rate = rate;
                rate.period.filter(|_| stood)
            };
            if let Some(period) = restart {
                timer.start(period);
            }
            Ok(text.len())
        })
}

fn end_timer(trigger: &IioTrigger) {
    if let Some(timer) = trigger.private::<Timer>() {
        timer.cancel();
        timer.free();
    }
}

/// Takes the trigger out, stops its timer and drops its creator's reference.
// iio-trig-hrtimer.c: iio_trig_hrtimer_remove
#[track_caller]
pub fn iio_timer_trigger_unregister(trigger: &IioTrigger) {
    iio_trigger_unregister(trigger);
    end_timer(trigger);
    iio_trigger_free(trigger);
}

/// [`iio_timer_trigger_register`] below `dev`, undone when the driver of `dev` is
/// unbound.
#[track_caller]
pub fn devm_iio_timer_trigger_register(
    dev: &Device,
    name: &str,
    hertz: u32,
    format: FrequencyFormat,
) -> Result<IioTrigger> {
    let trigger = iio_timer_trigger_register(&dev.system(), Some(dev), name, hertz, format)?;
    let registered = trigger.clone();
    devm_add_action_or_reset(
        dev,
        Action::new(move || iio_timer_trigger_unregister(&registered))
            .named("iio_timer_trigger_unregister"),
    )?;
    Ok(trigger)
}

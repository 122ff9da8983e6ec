//! Channels used from inside the kernel: the maps that say whose they are, and how
//! a consumer finds, holds and releases one.
//!
//! Follows `drivers/iio/inkern.c`, the half about maps. There are no firmware
//! nodes here: the look-up goes straight to the maps, as it does in the kernel for
//! a device without one.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{
    Action, Device, KernelMutex, dev_name, devm_add_action_or_reset, get_device_for, put_device_for,
};
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex};

use super::core::IioCore;
use super::device::{IioDev, WeakIioDev};
use crate::channel::ChannelSpec;

/// For whom a channel that a consumer has holds its device.
const CONSUMER: &str = "iio_channel_get";

/// Whose a channel is (`struct iio_map`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IioMap {
    /// What the provider's data sheet calls the channel
    /// ([`ChannelSpec::datasheet_name`]); a consumer's channel without one is no
    /// channel: to read it faults.
    pub adc_channel_label: Option<String>,
    /// `dev_name` of the consumer.
    pub consumer_dev_name: String,
    /// What the consumer calls the channel.
    pub consumer_channel: String,
}

/// A map of a device that is there (`struct iio_map_internal`).
struct Mapped {
    provider: WeakIioDev,
    map: IioMap,
}

/// `iio_map_list` and its lock.
#[derive(Default)]
pub(crate) struct MapList {
    lock: KernelMutex,
    maps: Mutex<Vec<Mapped>>,
}

impl MapList {
    /// Takes all of a device's maps out; whether there were any.
    // inkern.c: iio_map_array_unregister_locked
    fn remove(&self, iio: &IioDev) -> bool {
        let mut maps = self.maps.lock();
        let before = maps.len();
        maps.retain(|mapped| !mapped.provider.is(iio));
        maps.len() != before
    }
}

/// Says whose channels a device has (`iio_map_array_register`). The kernel keeps
/// the caller's array; here it is copied.
///
/// The maps hold no reference on the device: a driver that forgets to take them
/// back leaves them pointing at freed memory.
///
/// # Errors
/// `ENOMEM`; then all maps of the device are gone, those of earlier calls too.
#[track_caller]
pub fn iio_map_array_register(iio: &IioDev, maps: &[IioMap]) -> Result {
    let system = iio.system();
    let core = IioCore::of(&system);
    let _list = core.maps.lock.lock(&system, || None, "iio_map_list_lock");
    for map in maps {
        if let Err(errno) = system.allocation() {
            core.maps.remove(iio);
            return Err(errno);
        }
        let provider = iio.downgrade();
        let map = map.clone();
        core.maps.maps.lock().push(Mapped { provider, map });
    }
    Ok(())
}

/// Takes all maps of a device back (`iio_map_array_unregister`). Channels that
/// consumers have stay theirs.
///
/// # Errors
/// `ENODEV` when it has none.
#[track_caller]
pub fn iio_map_array_unregister(iio: &IioDev) -> Result {
    let system = iio.system();
    let core = IioCore::of(&system);
    let _list = core.maps.lock.lock(&system, || None, "iio_map_list_lock");
    match core.maps.remove(iio) {
        true => Ok(()),
        false => Err(Errno::ENODEV),
    }
}

/// [`iio_map_array_register`], taken back when the driver of `dev` is unbound
/// (`devm_iio_map_array_register`).
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn devm_iio_map_array_register(dev: &Device, iio: &IioDev, maps: &[IioMap]) -> Result {
    iio_map_array_register(iio, maps)?;
    let provider = iio.clone();
    let unregister = move || {
        // The callback does not look at what it returns.
        let _ = iio_map_array_unregister(&provider);
    };
    devm_add_action_or_reset(
        dev,
        Action::new(unregister).named("iio_map_array_unregister"),
    )
}

/// A channel that a consumer has (`struct iio_channel`). It holds a reference on
/// the IIO device until [`iio_channel_release`]; Clone does not count.
#[derive(Clone)]
pub struct IioChannel(Arc<Held>);

struct Held {
    iio: IioDev,
    /// Where it is among the device's channels; none if the map named none.
    channel: Option<(Arc<[ChannelSpec]>, usize)>,
    released: AtomicBool,
}

impl fmt::Debug for IioChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IioChannel")
            .field("iio", &self.0.iio)
            .field("channel", &self.0.channel.as_ref().map(|(_, at)| at))
            .finish()
    }
}

impl IioChannel {
    /// The device it is a channel of (`indio_dev`).
    pub fn indio_dev(&self) -> &IioDev {
        &self.0.iio
    }

    /// What the driver says about it (`channel`).
    pub fn channel(&self) -> Option<&ChannelSpec> {
        let (channels, at) = self.0.channel.as_ref()?;
        channels.get(*at)
    }

    /// The channel, for a call of the consumer's.
    ///
    /// `ENODEV` and a splat once it is released, `EFAULT` and a splat when the map
    /// named none.
    #[track_caller]
    pub(super) fn used(&self) -> Result<&ChannelSpec> {
        if self.0.released.load(Ordering::Acquire) {
            self.splat(
                SplatKind::UseAfterFree,
                "a channel is used after iio_channel_release",
            );
            return Err(Errno::ENODEV);
        }
        self.channel().ok_or_else(|| {
            self.splat(SplatKind::Bug, "a channel whose map names none is used");
            Errno::EFAULT
        })
    }

    #[track_caller]
    pub(super) fn splat(&self, kind: SplatKind, text: &str) {
        let device = self.0.iio.dev();
        device.system().emit(|| EventKind::Splat {
            kind,
            device: Some(device.device_ref()),
            text: text.into(),
        });
    }
}

/// Where the channel with this name in the data sheet is.
// inkern.c: iio_chan_spec_from_name
fn find_spec(iio: &IioDev, label: &str) -> Option<(Arc<[ChannelSpec]>, usize)> {
    let channels = iio.channels();
    let at = channels
        .iter()
        .position(|channel| channel.datasheet_name.as_deref() == Some(label))?;
    Some((channels, at))
}

fn held(iio: IioDev, channel: Option<(Arc<[ChannelSpec]>, usize)>) -> IioChannel {
    IioChannel(Arc::new(Held {
        iio,
        channel,
        released: AtomicBool::new(false),
    }))
}

/// Finds a channel by the consumer's name and what it calls the channel
/// (`iio_channel_get`). Without `channel_name` the consumer's first will do.
///
/// # Errors
/// `ENODEV` when no map is for it, which a provider that is not there yet gives
/// too; `EINVAL` when the provider has no channel of the map's label; `ENOMEM`.
#[track_caller]
pub fn iio_channel_get(dev: &Device, channel_name: Option<&str>) -> Result<IioChannel> {
    iio_channel_get_sys(&dev.system(), Some(&dev_name(dev)), channel_name)
}

/// [`iio_channel_get`] for a consumer's name, or for any (a null device there).
///
/// # Errors
/// As [`iio_channel_get`]; `ENODEV` with neither name.
// inkern.c: iio_channel_get_sys
#[track_caller]
pub fn iio_channel_get_sys(
    system: &System,
    name: Option<&str>,
    channel_name: Option<&str>,
) -> Result<IioChannel> {
    if name.is_none() && channel_name.is_none() {
        return Err(Errno::ENODEV);
    }
    let core = IioCore::of(system);
    let (iio, label) = {
        let _list = core.maps.lock.lock(system, || None, "iio_map_list_lock");
        let found = core.maps.maps.lock().iter().find_map(|mapped| {
            let map = &mapped.map;
            let fits = name.is_none_or(|name| name == map.consumer_dev_name)
                && channel_name.is_none_or(|channel| channel == map.consumer_channel);
            fits.then(|| (mapped.provider.upgrade(), map.adc_channel_label.clone()))
        });
        let (provider, label) = found.ok_or(Errno::ENODEV)?;
        let iio = provider.inspect_err(|_| stale_map(system))?;
        get_device_for(iio.dev(), CONSUMER);
        (iio, label)
    };
    let found = system.allocation().and_then(|()| match &label {
        Some(label) => find_spec(&iio, label).map(Some).ok_or(Errno::EINVAL),
        None => Ok(None),
    });
    match found {
        Ok(channel) => Ok(held(iio, channel)),
        Err(errno) => {
            put_device_for(iio.dev(), CONSUMER);
            Err(errno)
        }
    }
}

#[track_caller]
fn stale_map(system: &System) {
    system.emit(|| EventKind::Splat {
        kind: SplatKind::UseAfterFree,
        device: None,
        text: "a map of an IIO device that is gone was never unregistered".into(),
    });
}

/// Releases a channel: its device's reference is dropped
/// (`iio_channel_release`). Again is a splat.
#[track_caller]
pub fn iio_channel_release(channel: &IioChannel) {
    if channel.0.released.swap(true, Ordering::AcqRel) {
        channel.splat(
            SplatKind::UseAfterFree,
            "iio_channel_release of a released channel",
        );
        return;
    }
    put_device_for(channel.0.iio.dev(), CONSUMER);
}

/// [`iio_channel_get`], released when the driver of `dev` is unbound
/// (`devm_iio_channel_get`).
///
/// # Errors
/// As [`iio_channel_get`].
#[track_caller]
pub fn devm_iio_channel_get(dev: &Device, channel_name: Option<&str>) -> Result<IioChannel> {
    let channel = iio_channel_get(dev, channel_name)?;
    let owned = channel.clone();
    devm_add_action_or_reset(
        dev,
        Action::new(move || iio_channel_release(&owned)).named("iio_channel_release"),
    )?;
    Ok(channel)
}

/// All channels of a consumer, in the order of their maps
/// (`iio_channel_get_all`).
///
/// # Errors
/// `ENODEV` when it has none; `EINVAL` when a provider lacks one; `ENOMEM`. Then
/// it has none of them.
#[track_caller]
pub fn iio_channel_get_all(dev: &Device) -> Result<Vec<IioChannel>> {
    let (system, name) = (dev.system(), dev_name(dev));
    let core = IioCore::of(&system);
    let _list = core.maps.lock.lock(&system, || None, "iio_map_list_lock");
    let wanted: Vec<_> = {
        let maps = core.maps.maps.lock();
        let fit = maps.iter().filter(|m| m.map.consumer_dev_name == name);
        fit.map(|m| (m.provider.upgrade(), m.map.adc_channel_label.clone()))
            .collect()
    };
    if wanted.is_empty() {
        return Err(Errno::ENODEV);
    }
    system.allocation()?;
    let mut channels = Vec::new();
    for (provider, label) in wanted {
        let found = provider
            .inspect_err(|_| stale_map(&system))
            .and_then(|iio| {
                let label = label.as_deref().ok_or(Errno::EINVAL)?;
                let channel = find_spec(&iio, label).ok_or(Errno::EINVAL)?;
                Ok((iio, channel))
            });
        match found {
            Ok((iio, channel)) => {
                get_device_for(iio.dev(), CONSUMER);
                channels.push(held(iio, Some(channel)));
            }
            Err(errno) => {
                iio_channel_release_all(&channels);
                return Err(errno);
            }
        }
    }
    Ok(channels)
}

/// Releases channels (`iio_channel_release_all`).
#[track_caller]
pub fn iio_channel_release_all(channels: &[IioChannel]) {
    for channel in channels {
        iio_channel_release(channel);
    }
}

/// [`iio_channel_get_all`], released when the driver of `dev` is unbound
/// (`devm_iio_channel_get_all`).
///
/// # Errors
/// As [`iio_channel_get_all`].
#[track_caller]
pub fn devm_iio_channel_get_all(dev: &Device) -> Result<Vec<IioChannel>> {
    let channels = iio_channel_get_all(dev)?;
    let owned = channels.clone();
    devm_add_action_or_reset(
        dev,
        Action::new(move || iio_channel_release_all(&owned)).named("iio_channel_release_all"),
    )?;
    Ok(channels)
}

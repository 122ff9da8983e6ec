//! The callbacks a driver gives to the core: `struct iio_info`,
//! `struct iio_buffer_setup_ops`, `struct iio_trigger_ops`.
//!
//! A callback that is not there is not the same as one that fails: without
//! `debugfs_reg_access` there is no register file, without `read_label` no label.

use lastfd_model::Result;
use lastfd_model::raw::Attribute;
use lastfd_sync::Arc;

use super::device::IioDev;
use super::trigger::IioTrigger;
use crate::channel::ChannelSpec;
use crate::layout::ScanMask;
use crate::types::{EventDirection, EventInfo, EventType, Info};
use crate::value::{Available, Format, Value};

/// A shared callback.
pub type Callback<F> = Option<Arc<F>>;

/// What is asked of a register through debugfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegAccess {
    /// Its value is wanted.
    Read,
    /// This value is to be written; what is returned is not looked at.
    Write(u32),
}

type Channel = ChannelSpec;
type ReadRaw = dyn Fn(&IioDev, &Channel, Info) -> Result<Value> + Send + Sync;
type WriteRaw = dyn Fn(&IioDev, &Channel, i32, i32, Info) -> Result + Send + Sync;
type ReadAvail = dyn Fn(&IioDev, &Channel, Info) -> Result<Available> + Send + Sync;
type WriteRawFmt = dyn Fn(&IioDev, &Channel, Info) -> Format + Send + Sync;
type ReadLabel = dyn Fn(&IioDev, &Channel) -> Result<String> + Send + Sync;
type ReadEventConfig =
    dyn Fn(&IioDev, &Channel, EventType, EventDirection) -> Result<i32> + Send + Sync;
type WriteEventConfig =
    dyn Fn(&IioDev, &Channel, EventType, EventDirection, bool) -> Result + Send + Sync;
type ReadEventValue =
    dyn Fn(&IioDev, &Channel, EventType, EventDirection, EventInfo) -> Result<Value> + Send + Sync;
type WriteEventValue = dyn Fn(&IioDev, &Channel, EventType, EventDirection, EventInfo, i32, i32) -> Result
    + Send
    + Sync;
type ReadEventLabel =
    dyn Fn(&IioDev, &Channel, EventType, EventDirection) -> Result<String> + Send + Sync;
type ValidateTrigger = dyn Fn(&IioDev, &IioTrigger) -> Result + Send + Sync;
type UpdateScanMode = dyn Fn(&IioDev, &ScanMask) -> Result + Send + Sync;
type RegisterAccess = dyn Fn(&IioDev, u32, RegAccess) -> Result<u32> + Send + Sync;
type SetWatermark = dyn Fn(&IioDev, u32) -> Result + Send + Sync;
type FlushToBuffer = dyn Fn(&IioDev, usize) -> Result<usize> + Send + Sync;

/// What a driver answers with (`struct iio_info`). A device must have one to be
/// registered; it is taken away at unregister.
#[derive(Clone, Default)]
pub struct IioInfo {
    /// Attributes of the device beside those of its channels.
    pub attrs: Vec<Attribute>,
    /// Attributes in `events/` beside those of its channels. Their presence
    /// alone makes the device have events.
    pub event_attrs: Vec<Attribute>,
    /// Reads an information element. Several numbers at once are a
    /// [`Value::IntMultiple`], as of `read_raw_multi`.
    pub read_raw: Callback<ReadRaw>,
    /// Writes an information element: whole part and fraction.
    pub write_raw: Callback<WriteRaw>,
    /// Tells what values there are.
    pub read_avail: Callback<ReadAvail>,
    /// Tells how a write is to be read.
    pub write_raw_get_fmt: Callback<WriteRawFmt>,
    /// The label of a channel, newline included.
    pub read_label: Callback<ReadLabel>,
    /// Whether an event is enabled.
    pub read_event_config: Callback<ReadEventConfig>,
    /// Enables or disables an event.
    pub write_event_config: Callback<WriteEventConfig>,
    /// Reads an element of an event.
    pub read_event_value: Callback<ReadEventValue>,
    /// Writes an element of an event: whole part and fraction.
    pub write_event_value: Callback<WriteEventValue>,
    /// The label of an event, newline included.
    pub read_event_label: Callback<ReadEventLabel>,
    /// Refuses a trigger.
    pub validate_trigger: Callback<ValidateTrigger>,
    /// Told which elements the next scans have.
    pub update_scan_mode: Callback<UpdateScanMode>,
    /// Reads or writes a register for debugfs.
    pub debugfs_reg_access: Callback<RegisterAccess>,
    /// Told at how many samples the hardware is to interrupt.
    pub hwfifo_set_watermark: Callback<SetWatermark>,
    /// Moves up to so many samples from the hardware's FIFO to the buffer, and
    /// tells how many.
    pub hwfifo_flush_to_buffer: Callback<FlushToBuffer>,
}

impl core::fmt::Debug for IioInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IioInfo").finish_non_exhaustive()
    }
}

type Setup = dyn Fn(&IioDev) -> Result + Send + Sync;
type ValidateScanMask = dyn Fn(&IioDev, &ScanMask) -> bool + Send + Sync;

/// What a driver does around the enabling of a buffer
/// (`struct iio_buffer_setup_ops`). Called with the mode lock held.
#[derive(Clone, Default)]
pub struct IioBufferSetupOps {
    /// Before the buffer is enabled.
    pub preenable: Callback<Setup>,
    /// After the buffer was enabled.
    pub postenable: Callback<Setup>,
    /// Before the buffer is disabled. An error does not stop it.
    pub predisable: Callback<Setup>,
    /// After the buffer was disabled.
    pub postdisable: Callback<Setup>,
    /// Whether a scan may have these elements.
    pub validate_scan_mask: Callback<ValidateScanMask>,
}

impl core::fmt::Debug for IioBufferSetupOps {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IioBufferSetupOps").finish_non_exhaustive()
    }
}

type SetTriggerState = dyn Fn(&IioTrigger, bool) -> Result + Send + Sync;
type Reenable = dyn Fn(&IioTrigger) + Send + Sync;
pub(crate) type ValidateDevice = dyn Fn(&IioTrigger, &IioDev) -> Result + Send + Sync;

/// What a trigger does (`struct iio_trigger_ops`).
#[derive(Clone, Default)]
pub struct IioTriggerOps {
    /// The first consumer came, or the last went.
    pub set_trigger_state: Callback<SetTriggerState>,
    /// All consumers are done with the last event.
    pub reenable: Callback<Reenable>,
    /// Refuses a device.
    pub validate_device: Callback<ValidateDevice>,
}

impl core::fmt::Debug for IioTriggerOps {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IioTriggerOps").finish_non_exhaustive()
    }
}

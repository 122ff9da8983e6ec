//! The raw face: the kernel's calls under the kernel's names.
//!
//! Every call may be made in any state; misuse gives the kernel's errno or a
//! splat, never undefined behaviour. References are counted explicitly. Drivers
//! are better written against [`Driver`](crate::Driver).

mod attr_list;
mod attributes;
mod buffer;
mod buffer_attributes;
mod claim;
mod consumer;
mod core;
mod debugfs;
mod device;
mod events;
mod files;
mod info;
mod inkern;
mod pollfunc;
mod push;
mod register;
mod timer_trigger;
mod trigger;
mod trigger_consumer;
mod update;

pub use buffer::{
    Access, Direction, IioBuffer, StandardAttributes, devm_iio_kfifo_buffer_setup,
    devm_iio_kfifo_buffer_setup_ext, devm_iio_triggered_buffer_setup,
    devm_iio_triggered_buffer_setup_ext, iio_device_attach_buffer, iio_kfifo_allocate,
    iio_triggered_buffer_cleanup, iio_triggered_buffer_setup_ext,
};
pub use claim::{
    BufferMode, DirectMode, iio_device_claim_buffer_mode, iio_device_claim_direct_mode,
    iio_device_release_direct_mode,
};
pub use consumer::{
    Reading, iio_convert_raw_to_processed, iio_get_channel_ext_info_count, iio_get_channel_type,
    iio_read_avail_channel_attribute, iio_read_avail_channel_raw, iio_read_channel_attribute,
    iio_read_channel_average_raw, iio_read_channel_ext_info, iio_read_channel_offset,
    iio_read_channel_processed, iio_read_channel_processed_scale, iio_read_channel_raw,
    iio_read_channel_scale, iio_read_max_channel_raw, iio_read_min_channel_raw,
    iio_write_channel_attribute, iio_write_channel_ext_info, iio_write_channel_raw,
};
pub use device::{
    IioDev, devm_iio_device_alloc, iio_buffer_enabled, iio_device_alloc, iio_device_free,
    iio_device_get, iio_device_is_registered, iio_device_put, iio_get_time_ns,
};
pub use events::iio_push_event;
pub use files::{IIO_BUFFER_GET_FD_IOCTL, IIO_GET_EVENT_FD_IOCTL};
pub use info::{Callback, IioBufferSetupOps, IioInfo, IioTriggerOps, RegAccess};
pub use inkern::{
    IioChannel, IioMap, devm_iio_channel_get, devm_iio_channel_get_all,
    devm_iio_map_array_register, iio_channel_get, iio_channel_get_all, iio_channel_get_sys,
    iio_channel_release, iio_channel_release_all, iio_map_array_register, iio_map_array_unregister,
};
pub use pollfunc::{
    IioPollFunc, IrqReturn, PollHandler, iio_pollfunc_store_time, iio_trigger_attach_poll_func,
    iio_trigger_detach_poll_func,
};
pub use push::{
    iio_push_to_buffers, iio_push_to_buffers_with_timestamp, iio_push_to_buffers_with_ts_unaligned,
};
pub use register::{devm_iio_device_register, iio_device_register, iio_device_unregister};
pub use timer_trigger::{
    FrequencyFormat, devm_iio_timer_trigger_register, iio_timer_trigger_register,
    iio_timer_trigger_unregister,
};
pub use trigger::{
    IioTrigger, devm_iio_trigger_alloc, devm_iio_trigger_register, iio_trigger_alloc,
    iio_trigger_free, iio_trigger_get, iio_trigger_notify_done, iio_trigger_poll,
    iio_trigger_poll_nested, iio_trigger_put, iio_trigger_register, iio_trigger_unregister,
    iio_trigger_using_own, iio_trigger_validate_own_device, iio_validate_own_trigger,
};
pub use trigger_consumer::iio_trigger_set_immutable;
pub use update::iio_update_buffers;

//! The table of ioctls: how each is prepared before its function is called.
//!
//! Follows `v4l2_ioctls[]` and the `v4l_*` functions of
//! `drivers/media/v4l2-core/v4l2-ioctl.c`.

use core::mem::offset_of;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::Try;
use lastfd_model::raw::platform_bus;
use lastfd_model::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::ctrls::CtrlHandler;
use super::ctrls_api as ctrls;
use super::events::v4l2_event_dequeue;
use super::ioctl::IoctlCall;
use super::ioctl_ops::V4l2IoctlOps;
use super::prio::{v4l2_prio_change, v4l2_prio_max};
use super::video_device::{VflDir, VflType};
use super::warn::warn;

/// LINUX_VERSION_CODE of the kernel that is followed: 6.12.117.
const VERSION: u32 = 6 << 16 | 12 << 8 | 117;

/// The caller's priority counts.
const PRIO: u8 = 1;
/// A file's own controls make it there.
const CTRL: u8 = 2;
/// It runs under the queue's lock.
const QUEUE: u8 = 4;
/// The argument goes back on an error too.
const ALWAYS_COPY: u8 = 8;

type Function = fn(&V4l2IoctlOps, &mut IoctlCall<'_, '_>, &mut [u8]) -> Try<()>;

/// `struct v4l2_ioctl_info`.
pub(crate) struct Info {
    cmd: u32,
    flags: u8,
    /// Bytes that are copied from the caller; 0 is all of them.
    reads: usize,
    function: Function,
}

impl Info {
    pub(crate) fn always_copies(&self) -> bool {
        self.flags & ALWAYS_COPY != 0
    }

    pub(crate) fn checks_prio(&self) -> bool {
        self.flags & PRIO != 0
    }

    pub(crate) fn is_of_controls(&self) -> bool {
        self.flags & CTRL != 0
    }

    pub(crate) fn is_of_queue(&self) -> bool {
        self.flags & QUEUE != 0
    }

    pub(crate) fn reads(&self) -> Option<usize> {
        (self.reads != 0).then_some(self.reads)
    }

    pub(crate) fn run(
        &self,
        ops: &V4l2IoctlOps,
        call: &mut IoctlCall<'_, '_>,
        data: &mut [u8],
    ) -> Try<()> {
        (self.function)(ops, call, data)
    }
}

/// The row of a command, if a driver here can have a function for it.
pub(crate) fn find(cmd: u32) -> Option<&'static Info> {
    TABLE.iter().find(|info| info.cmd == cmd)
}

/// Bytes up to and with a member: INFO_FL_CLEAR.
macro_rules! up_to {
    ($type:ident, $field:ident, $next:ident) => {{
        let _ = offset_of!($type, $field);
        offset_of!($type, $next)
    }};
}

macro_rules! table {
    ($($cmd:ident, $function:expr, $flags:expr, $reads:expr;)*) => {
        static TABLE: &[Info] = &[
            $(Info { cmd: $cmd, flags: $flags, reads: $reads, function: $function },)*
        ];
    };
}

table! {
    VIDIOC_QUERYCAP, querycap, 0, 0;
    VIDIOC_ENUM_FMT, enum_fmt, 0, 0;
    VIDIOC_G_FMT, g_fmt, 0, 0;
    VIDIOC_S_FMT, s_fmt, PRIO, 0;
    VIDIOC_TRY_FMT, try_fmt, 0, 0;
    VIDIOC_REQBUFS, reqbufs, PRIO | QUEUE, 0;
    VIDIOC_QUERYBUF, querybuf, QUEUE, up_to!(V4l2Buffer, length, reserved2);
    VIDIOC_QBUF, qbuf, QUEUE, 0;
    VIDIOC_EXPBUF, expbuf, QUEUE, up_to!(V4l2Exportbuffer, flags, fd);
    VIDIOC_DQBUF, dqbuf, QUEUE, 0;
    VIDIOC_STREAMON, streamon, PRIO | QUEUE, 0;
    VIDIOC_STREAMOFF, streamoff, PRIO | QUEUE, 0;
    VIDIOC_G_PARM, g_parm, 0, up_to!(V4l2Streamparm, type_, capability);
    VIDIOC_S_PARM, s_parm, PRIO, 0;
    VIDIOC_ENUMINPUT, enuminput, 0, up_to!(V4l2Input, index, name);
    VIDIOC_G_INPUT, g_input, 0, 0;
    VIDIOC_S_INPUT, s_input, PRIO, 0;
    VIDIOC_G_CTRL, g_ctrl, CTRL, up_to!(V4l2Control, id, value);
    VIDIOC_S_CTRL, s_ctrl, PRIO | CTRL, 0;
    VIDIOC_QUERYCTRL, queryctrl, CTRL, up_to!(V4l2Queryctrl, id, type_);
    VIDIOC_QUERY_EXT_CTRL, query_ext_ctrl, CTRL, up_to!(V4l2QueryExtCtrl, id, type_);
    VIDIOC_QUERYMENU, querymenu, CTRL, up_to!(V4l2Querymenu, index, name);
    VIDIOC_G_EXT_CTRLS, g_ext_ctrls, CTRL | ALWAYS_COPY, 0;
    VIDIOC_S_EXT_CTRLS, s_ext_ctrls, PRIO | CTRL | ALWAYS_COPY, 0;
    VIDIOC_TRY_EXT_CTRLS, try_ext_ctrls, CTRL | ALWAYS_COPY, 0;
    VIDIOC_ENUM_FRAMESIZES, enum_framesizes, 0, up_to!(V4l2Frmsizeenum, pixel_format, type_);
    VIDIOC_ENUM_FRAMEINTERVALS, enum_frameintervals, 0, up_to!(V4l2Frmivalenum, height, type_);
    VIDIOC_G_PRIORITY, g_priority, 0, 0;
    VIDIOC_S_PRIORITY, s_priority, PRIO, 0;
    VIDIOC_LOG_STATUS, log_status, 0, 0;
    VIDIOC_DQEVENT, dqevent, 0, 0;
    VIDIOC_SUBSCRIBE_EVENT, subscribe_event, 0, 0;
    VIDIOC_UNSUBSCRIBE_EVENT, unsubscribe_event, 0, 0;
    VIDIOC_CREATE_BUFS, create_bufs, PRIO | QUEUE, 0;
    VIDIOC_PREPARE_BUF, prepare_buf, QUEUE, 0;
    VIDIOC_REMOVE_BUFS, remove_bufs, PRIO | QUEUE, up_to!(V4l2RemoveBuffers, type_, reserved);
}

/// Lends the argument as a struct, and takes back what became of it.
fn with<T: FromBytes + IntoBytes + Immutable>(
    data: &mut [u8],
    run: impl FnOnce(&mut T) -> Try<()>,
) -> Try<()> {
    let Ok((mut arg, _)) = T::read_from_prefix(data) else {
        return Try::err(Errno::EINVAL);
    };
    let outcome = run(&mut arg);
    // It was read from there, so it fits.
    let _ = arg.write_to_prefix(data);
    outcome
}

/// The driver's function; the tests before the table's made sure that it is
/// there.
fn have<F>(function: &Option<F>) -> Result<&F> {
    function.as_ref().ok_or(Errno::ENOTTY)
}

// v4l2-ioctl.c: check_fmt
fn check_fmt(ops: &V4l2IoctlOps, call: &IoctlCall<'_, '_>, type_: u32) -> Result {
    let fields = call.vdev.fields();
    let is_vid = fields.vfl_type == VflType::Video
        && fields.device_caps & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_M2M) != 0;
    let is_rx = fields.vfl_dir == VflDir::Rx;
    let known = type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE && ops.vidioc_g_fmt_vid_cap.is_some();
    match is_vid && is_rx && known {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}

fn querycap(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |cap: &mut V4l2Capability| {
        let caps = call.vdev.device_caps();
        cap.version = VERSION;
        cap.device_caps = caps;
        cap.capabilities = caps | V4L2_CAP_DEVICE_CAPS;
        // media_set_bus_info.
        match call.vdev.dev_parent() {
            None => set_text(&mut cap.bus_info, "no bus info"),
            Some(parent) if parent.bus() == Some(platform_bus(call.system())) => {
                let place = format!("platform:{}", parent.name());
                set_text(&mut cap.bus_info, &place);
            }
            Some(_) => {}
        }
        let result = have(&ops.vidioc_querycap).and_then(|function| function(call, cap));
        if cap.device_caps != caps {
            warn_of(call, "querycap changed device_caps");
        }
        let all = caps | V4L2_CAP_DEVICE_CAPS;
        if cap.capabilities & all != all {
            warn_of(call, "querycap took capabilities away");
        }
        cap.capabilities |= V4L2_CAP_EXT_PIX_FORMAT;
        cap.device_caps |= V4L2_CAP_EXT_PIX_FORMAT;
        result.into()
    })
}

fn warn_of(call: &IoctlCall<'_, '_>, text: &str) {
    warn(call.system(), call.vdev.device_ref(), text);
}

fn enum_fmt(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |desc: &mut V4l2Fmtdesc| {
        if let Err(errno) = check_fmt(ops, call, desc.type_) {
            return Try::err(errno);
        }
        *desc = V4l2Fmtdesc {
            index: desc.index,
            type_: desc.type_,
            ..V4l2Fmtdesc::default()
        };
        let Some(function) = &ops.vidioc_enum_fmt_vid_cap else {
            return Try::err(Errno::EINVAL);
        };
        let result = function(call, desc);
        if result.is_ok() {
            fill_fmtdesc(desc);
        }
        result.into()
    })
}

// v4l2-ioctl.c: v4l_fill_fmtdesc
fn fill_fmtdesc(desc: &mut V4l2Fmtdesc) {
    let letters: String = desc
        .pixelformat
        .to_le_bytes()
        .map(|byte| char::from(byte & 0x7f))
        .iter()
        .collect();
    let name = match desc.pixelformat {
        V4L2_PIX_FMT_GREY => "8-bit Greyscale",
        V4L2_PIX_FMT_YUYV => "YUYV 4:2:2",
        _ => &letters,
    };
    set_text(&mut desc.description, name);
}

fn g_fmt(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |format: &mut V4l2Format| {
        if let Err(errno) = check_fmt(ops, call, format.type_) {
            return Try::err(errno);
        }
        format.raw_data.fill(0);
        mark_extended(format);
        let result = have(&ops.vidioc_g_fmt_vid_cap).and_then(|function| function(call, format));
        mark_extended(format);
        result.into()
    })
}

/// The members after `priv` count.
fn mark_extended(format: &mut V4l2Format) {
    let mut pix = format.pix();
    pix.priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
    format.set_pix(&pix);
}

// v4l2-ioctl.c: v4l_sanitize_format, and the clearing behind the picture
fn sanitize(format: &mut V4l2Format) {
    let mut pix = format.pix();
    if pix.priv_ != V4L2_PIX_FMT_PRIV_MAGIC {
        pix = V4l2PixFormat {
            priv_: V4L2_PIX_FMT_PRIV_MAGIC,
            flags: 0,
            ycbcr_enc: 0,
            quantization: 0,
            xfer_func: 0,
            ..pix
        };
    }
    format.raw_data.fill(0);
    format.set_pix(&pix);
}

fn s_fmt(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    change_fmt(ops, call, data, &ops.vidioc_s_fmt_vid_cap)
}

fn try_fmt(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    change_fmt(ops, call, data, &ops.vidioc_try_fmt_vid_cap)
}

fn change_fmt(
    ops: &V4l2IoctlOps,
    call: &mut IoctlCall<'_, '_>,
    data: &mut [u8],
    function: &Option<super::IoctlFn<V4l2Format>>,
) -> Try<()> {
    with(data, |format: &mut V4l2Format| {
        if let Err(errno) = check_fmt(ops, call, format.type_) {
            return Try::err(errno);
        }
        sanitize(format);
        let Some(function) = function else {
            return Try::err(Errno::EINVAL);
        };
        let result = function(call, format);
        mark_extended(format);
        result.into()
    })
}

/// Whether the driver could take single buffers away.
fn remove_bufs_cap(ops: &V4l2IoctlOps) -> u32 {
    match ops.vidioc_create_bufs.is_some() && ops.vidioc_remove_bufs.is_some() {
        true => V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS,
        false => 0,
    }
}

fn reqbufs(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |request: &mut V4l2Requestbuffers| {
        if let Err(errno) = check_fmt(ops, call, request.type_) {
            return Try::err(errno);
        }
        request.reserved = [0; 3];
        request.capabilities = remove_bufs_cap(ops);
        have(&ops.vidioc_reqbufs)
            .and_then(|function| function(call, request))
            .into()
    })
}

fn create_bufs(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |create: &mut V4l2CreateBuffers| {
        if let Err(errno) = check_fmt(ops, call, create.format.type_) {
            return Try::err(errno);
        }
        create.max_num_buffers = 0;
        create.reserved = [0; 5];
        let mut pix = create.format.pix();
        if pix.priv_ != V4L2_PIX_FMT_PRIV_MAGIC {
            pix.priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
            create.format.set_pix(&pix);
        }
        create.capabilities = remove_bufs_cap(ops);
        have(&ops.vidioc_create_bufs)
            .and_then(|function| function(call, create))
            .into()
    })
}

/// The ioctls whose argument is one buffer.
macro_rules! buffer_ioctls {
    ($($name:ident, $op:ident;)*) => {$(
        fn $name(
            ops: &V4l2IoctlOps,
            call: &mut IoctlCall<'_, '_>,
            data: &mut [u8],
        ) -> Try<()> {
            with(data, |buffer: &mut V4l2Buffer| {
                check_fmt(ops, call, buffer.type_)
                    .and_then(|()| have(&ops.$op))
                    .and_then(|function| function(call, buffer))
                    .into()
            })
        }
    )*};
}

buffer_ioctls! {
    querybuf, vidioc_querybuf;
    qbuf, vidioc_qbuf;
    prepare_buf, vidioc_prepare_buf;
}

fn dqbuf(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |buffer: &mut V4l2Buffer| {
        let checked = match call.is_first() {
            true => check_fmt(ops, call, buffer.type_),
            false => Ok(()),
        };
        match checked.and_then(|()| have(&ops.vidioc_dqbuf)) {
            Ok(function) => function(call, buffer),
            Err(errno) => Try::err(errno),
        }
    })
}

/// The ioctls that only hand their argument on.
macro_rules! plain_ioctls {
    ($($name:ident, $op:ident: $type:ty;)*) => {$(
        fn $name(
            ops: &V4l2IoctlOps,
            call: &mut IoctlCall<'_, '_>,
            data: &mut [u8],
        ) -> Try<()> {
            with(data, |arg: &mut $type| {
                have(&ops.$op).and_then(|function| function(call, arg)).into()
            })
        }
    )*};
}

plain_ioctls! {
    expbuf, vidioc_expbuf: V4l2Exportbuffer;
    remove_bufs, vidioc_remove_bufs: V4l2RemoveBuffers;
    streamon, vidioc_streamon: u32;
    streamoff, vidioc_streamoff: u32;
    enuminput, vidioc_enum_input: V4l2Input;
    g_input, vidioc_g_input: u32;
    s_input, vidioc_s_input: u32;
    enum_framesizes, vidioc_enum_framesizes: V4l2Frmsizeenum;
    enum_frameintervals, vidioc_enum_frameintervals: V4l2Frmivalenum;
}

fn g_parm(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |parm: &mut V4l2Streamparm| {
        check_fmt(ops, call, parm.type_)
            .and_then(|()| have(&ops.vidioc_g_parm))
            .and_then(|function| function(call, parm))
            .into()
    })
}

fn s_parm(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |parm: &mut V4l2Streamparm| {
        if let Err(errno) = check_fmt(ops, call, parm.type_) {
            return Try::err(errno);
        }
        parm.reserved[..16].fill(0);
        parm.extendedmode = 0;
        // V4L2_MODE_HIGHQUALITY.
        parm.capturemode &= 1;
        have(&ops.vidioc_s_parm)
            .and_then(|function| function(call, parm))
            .into()
    })
}

/// The controls that the file reaches; without any there is no such ioctl.
fn handler(call: &IoctlCall<'_, '_>) -> Result<CtrlHandler> {
    let of_file = call.fh.as_ref().and_then(|fh| fh.ctrl_handler().cloned());
    of_file
        .or_else(|| call.vdev.ctrl_handler())
        .ok_or(Errno::ENOTTY)
}

/// The ioctls of single controls.
macro_rules! control_ioctls {
    ($($name:ident: $type:ty = $run:expr;)*) => {$(
        fn $name(
            _: &V4l2IoctlOps,
            call: &mut IoctlCall<'_, '_>,
            data: &mut [u8],
        ) -> Try<()> {
            with(data, |arg: &mut $type| {
                handler(call).and_then(|handler| $run(call, &handler, arg)).into()
            })
        }
    )*};
}

control_ioctls! {
    g_ctrl: V4l2Control = |_: &mut IoctlCall<'_, '_>, handler, arg| {
        ctrls::v4l2_g_ctrl(handler, arg)
    };
    s_ctrl: V4l2Control = |call: &mut IoctlCall<'_, '_>, handler, arg| {
        ctrls::v4l2_s_ctrl(call.fh(), handler, arg)
    };
    queryctrl: V4l2Queryctrl = |_: &mut IoctlCall<'_, '_>, handler, arg| {
        ctrls::v4l2_queryctrl(handler, arg)
    };
    query_ext_ctrl: V4l2QueryExtCtrl = |_: &mut IoctlCall<'_, '_>, handler, arg| {
        ctrls::v4l2_query_ext_ctrl(handler, arg)
    };
    querymenu: V4l2Querymenu = |_: &mut IoctlCall<'_, '_>, handler, arg: &mut _| {
        ctrls::v4l2_querymenu(handler, arg)
    };
}

/// Lends the controls that the argument points to.
fn with_array(
    call: &mut IoctlCall<'_, '_>,
    data: &mut [u8],
    run: impl FnOnce(
        &mut IoctlCall<'_, '_>,
        &CtrlHandler,
        &mut V4l2ExtControls,
        &mut [V4l2ExtControl],
    ) -> Result,
) -> Try<()> {
    with(data, |controls: &mut V4l2ExtControls| {
        controls.error_idx = controls.count;
        let handler = match handler(call) {
            Ok(handler) => handler,
            Err(errno) => return Try::err(errno),
        };
        let mut array: Vec<V4l2ExtControl> = call
            .array
            .chunks_exact(size_of::<V4l2ExtControl>())
            .filter_map(|bytes| V4l2ExtControl::read_from_bytes(bytes).ok())
            .collect();
        let result = run(call, &handler, controls, &mut array);
        *call.array = array.as_bytes().to_vec();
        result.into()
    })
}

fn g_ext_ctrls(_: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with_array(call, data, |_, handler, controls, array| {
        ctrls::v4l2_g_ext_ctrls(handler, controls, array)
    })
}

fn s_ext_ctrls(_: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with_array(call, data, |call, handler, controls, array| {
        ctrls::v4l2_s_ext_ctrls(call.fh(), handler, controls, array)
    })
}

fn try_ext_ctrls(_: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with_array(call, data, |_, handler, controls, array| {
        ctrls::v4l2_try_ext_ctrls(handler, controls, array)
    })
}

fn g_priority(_: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |prio: &mut u32| {
        *prio = call.vdev.prio().map_or(0, |global| v4l2_prio_max(&global));
        Try::ok(())
    })
}

fn s_priority(_: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |prio: &mut u32| {
        let (Some(fh), Some(global)) = (&call.fh, call.vdev.prio()) else {
            return Try::err(Errno::ENOTTY);
        };
        v4l2_prio_change(&global, &mut fh.prio_mut(), *prio).into()
    })
}

fn log_status(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, _: &mut [u8]) -> Try<()> {
    have(&ops.vidioc_log_status)
        .and_then(|function| function(call))
        .into()
}

fn dqevent(_: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    with(data, |event: &mut V4l2Event| match &call.fh {
        Some(fh) => v4l2_event_dequeue(fh, event, call.nonblock()),
        None => Try::err(Errno::ENOTTY),
    })
}

fn subscribe_event(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    subscription(call, data, &ops.vidioc_subscribe_event)
}

fn unsubscribe_event(ops: &V4l2IoctlOps, call: &mut IoctlCall<'_, '_>, data: &mut [u8]) -> Try<()> {
    subscription(call, data, &ops.vidioc_unsubscribe_event)
}

fn subscription(
    call: &mut IoctlCall<'_, '_>,
    data: &mut [u8],
    function: &Option<super::SubscribeFn>,
) -> Try<()> {
    with(data, |sub: &mut V4l2EventSubscription| {
        match (&call.fh, function) {
            (Some(fh), Some(function)) => function(fh, sub).into(),
            _ => Try::err(Errno::ENOTTY),
        }
    })
}

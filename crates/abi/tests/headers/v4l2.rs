//! The layout of `linux/videodev2.h`.

use lastfd_abi::v4l2::*;

use crate::compiler::{Check, Header, field, holds, number, size};

#[test]
fn v4l2_is_laid_out_as_in_the_headers() {
    let mut checks = Vec::new();
    for ioctl in V4L2_IOCTLS {
        checks.push(number(ioctl.name, ioctl.cmd.into()));
    }
    for (name, value) in V4L2_NUMBERS {
        // The headers say some of them as signed numbers.
        checks.push(Check {
            expression: format!("(__u32)({name})"),
            needs: Some(name),
            value: (*value).into(),
        });
    }
    for (name, value) in V4L2_MEMBERS {
        checks.push(Check {
            expression: (*name).into(),
            needs: None,
            value: (*value).into(),
        });
    }
    macro_rules! layout {
        ($($rust:ident = $c:literal { $($field:ident $(= $c_field:literal)?),* })*) => {$(
            checks.push(size($c, size_of::<$rust>()));
            $(checks.push(field(
                $c,
                layout!(@name $field $($c_field)?),
                core::mem::offset_of!($rust, $field),
            ));)*
        )*};
        (@name $field:ident $c_field:literal) => { $c_field };
        (@name $field:ident) => { stringify!($field) };
    }
    layout! {
        V4l2Capability = "struct v4l2_capability" {
            driver, card, bus_info, version, capabilities, device_caps, reserved
        }
        V4l2Fmtdesc = "struct v4l2_fmtdesc" {
            index, type_ = "type", flags, description, pixelformat, mbus_code, reserved
        }
        V4l2PixFormat = "struct v4l2_pix_format" {
            width, height, pixelformat, field, bytesperline, sizeimage, colorspace,
            priv_ = "priv", flags, ycbcr_enc, quantization, xfer_func
        }
        V4l2Format = "struct v4l2_format" { type_ = "type", raw_data = "fmt" }
        V4l2Requestbuffers = "struct v4l2_requestbuffers" {
            count, type_ = "type", memory, capabilities, flags, reserved
        }
        V4l2Timecode = "struct v4l2_timecode" {
            type_ = "type", flags, frames, seconds, minutes, hours, userbits
        }
        V4l2Buffer = "struct v4l2_buffer" {
            index, type_ = "type", bytesused, flags, field, tv_sec = "timestamp.tv_sec",
            tv_usec = "timestamp.tv_usec", timecode, sequence, memory, offset = "m",
            length, reserved2, request_fd
        }
        V4l2Exportbuffer = "struct v4l2_exportbuffer" {
            type_ = "type", index, plane, flags, fd, reserved
        }
        V4l2CreateBuffers = "struct v4l2_create_buffers" {
            index, count, memory, format, capabilities, flags
        }
        V4l2Streamparm = "struct v4l2_streamparm" {
            type_ = "type", capability = "parm.capture.capability",
            capturemode = "parm.capture.capturemode",
            timeperframe = "parm.capture.timeperframe",
            extendedmode = "parm.capture.extendedmode",
            readbuffers = "parm.capture.readbuffers", reserved = "parm.capture.reserved"
        }
        V4l2Frmsizeenum = "struct v4l2_frmsizeenum" {
            index, pixel_format, type_ = "type", width = "discrete.width",
            height = "discrete.height", reserved
        }
        V4l2Frmivalenum = "struct v4l2_frmivalenum" {
            index, pixel_format, width, height, type_ = "type", discrete, reserved
        }
        V4l2Input = "struct v4l2_input" {
            index, name, type_ = "type", audioset, tuner, std, status, capabilities, reserved
        }
        V4l2Control = "struct v4l2_control" { id, value }
        V4l2Queryctrl = "struct v4l2_queryctrl" {
            id, type_ = "type", name, minimum, maximum, step, default_value, flags, reserved
        }
        V4l2QueryExtCtrl = "struct v4l2_query_ext_ctrl" {
            id, type_ = "type", name, minimum, maximum, step, default_value, flags,
            elem_size, elems, nr_of_dims, dims, reserved
        }
        V4l2Querymenu = "struct v4l2_querymenu" { id, index, name, reserved }
        V4l2ExtControl = "struct v4l2_ext_control" { id, size, reserved2, value }
        V4l2ExtControls = "struct v4l2_ext_controls" {
            which, count, error_idx, request_fd, reserved, controls
        }
        V4l2EventCtrl = "struct v4l2_event_ctrl" {
            changes, type_ = "type", value64, flags, minimum, maximum, step, default_value
        }
        V4l2Event = "struct v4l2_event" {
            type_ = "type", data = "u", pending, sequence, tv_sec = "timestamp.tv_sec",
            tv_nsec = "timestamp.tv_nsec", id, reserved
        }
        V4l2EventSubscription = "struct v4l2_event_subscription" {
            type_ = "type", id, flags, reserved
        }
    }
    checks.push(number("V4L2_PIX_FMT_GREY", V4L2_PIX_FMT_GREY.into()));
    checks.push(number("V4L2_PIX_FMT_YUYV", V4L2_PIX_FMT_YUYV.into()));
    holds(&[Header::any(&["linux/videodev2.h"])], &checks);
}

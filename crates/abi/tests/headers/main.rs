//! Sizes, offsets and numbers are those of the machine's C headers.
//!
//! A C program is written, compiled with `cc` and run; what it prints is
//! compared line by line with what this crate says. Without a compiler or a
//! header the comparison is left out, and says so, unless
//! `LASTFD_REQUIRE_CLIENTS=1`.

mod compiler;
mod v4l2;

use compiler::{Check, Header, field, holds, number, size};
use lastfd_abi::cec;
use lastfd_abi::drm::*;

#[test]
fn drm_is_laid_out_as_in_the_headers() {
    let mut checks = Vec::new();
    for ioctl in DRM_IOCTLS {
        checks.push(match ioctl.name {
            // A member was added to their arguments in 6.6: older headers have
            // another size, and the kernel takes both.
            "DRM_IOCTL_SYNCOBJ_WAIT" | "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT" => Check {
                expression: format!("{} & 0xc000ffff", ioctl.name),
                needs: Some(ioctl.name),
                value: u64::from(ioctl.cmd & 0xc000_ffff),
            },
            name => number(name, u64::from(ioctl.cmd)),
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
        DrmVersion = "struct drm_version" {
            version_major, version_minor, version_patchlevel,
            name_len, name, date_len, date, desc_len, desc
        }
        DrmUnique = "struct drm_unique" { unique_len, unique }
        DrmClient = "struct drm_client" { idx, auth, pid, uid, magic, iocs }
        DrmAuth = "struct drm_auth" { magic }
        DrmSetVersion = "struct drm_set_version" {
            drm_di_major, drm_di_minor, drm_dd_major, drm_dd_minor
        }
        DrmGemClose = "struct drm_gem_close" { handle, pad }
        DrmGemFlink = "struct drm_gem_flink" { handle, name }
        DrmGemOpen = "struct drm_gem_open" { handle, name, size }
        DrmGetCap = "struct drm_get_cap" { capability, value }
        DrmSetClientCap = "struct drm_set_client_cap" { capability, value }
        DrmPrimeHandle = "struct drm_prime_handle" { handle, flags, fd }
        DrmWaitVblankRequest = "struct drm_wait_vblank_request" {
            type_ = "type", sequence, signal
        }
        DrmWaitVblankReply = "struct drm_wait_vblank_reply" {
            type_ = "type", sequence, tval_sec, tval_usec
        }
        DrmEventHeader = "struct drm_event" { type_ = "type", length }
        DrmEventVblank = "struct drm_event_vblank" {
            base, user_data, tv_sec, tv_usec, sequence, crtc_id
        }
        DrmModeCreateDumb = "struct drm_mode_create_dumb" {
            height, width, bpp, flags, handle, pitch, size
        }
        DrmModeMapDumb = "struct drm_mode_map_dumb" { handle, pad, offset }
        DrmModeDestroyDumb = "struct drm_mode_destroy_dumb" { handle }
    }
    checks.push(size(
        "union drm_wait_vblank",
        size_of::<DrmWaitVblankReply>(),
    ));
    macro_rules! numbers {
        ($($name:ident)*) => {$(
            checks.push(number(stringify!($name), $name.into()));
        )*};
    }
    numbers! {
        DRM_COMMAND_BASE DRM_COMMAND_END DRM_IOCTL_BASE
        DRM_CAP_DUMB_BUFFER DRM_CAP_VBLANK_HIGH_CRTC DRM_CAP_DUMB_PREFERRED_DEPTH
        DRM_CAP_DUMB_PREFER_SHADOW DRM_CAP_PRIME DRM_CAP_TIMESTAMP_MONOTONIC
        DRM_CAP_ASYNC_PAGE_FLIP DRM_CAP_CURSOR_WIDTH DRM_CAP_CURSOR_HEIGHT
        DRM_CAP_ADDFB2_MODIFIERS DRM_CAP_PAGE_FLIP_TARGET DRM_CAP_CRTC_IN_VBLANK_EVENT
        DRM_CAP_SYNCOBJ DRM_CAP_SYNCOBJ_TIMELINE DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP
        DRM_PRIME_CAP_IMPORT DRM_PRIME_CAP_EXPORT
        DRM_CLIENT_CAP_STEREO_3D DRM_CLIENT_CAP_UNIVERSAL_PLANES DRM_CLIENT_CAP_ATOMIC
        DRM_CLIENT_CAP_ASPECT_RATIO DRM_CLIENT_CAP_WRITEBACK_CONNECTORS
        DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT
        DRM_EVENT_VBLANK DRM_EVENT_FLIP_COMPLETE DRM_EVENT_CRTC_SEQUENCE
        DRM_CLOEXEC DRM_RDWR
        _DRM_VBLANK_TYPES_MASK _DRM_VBLANK_FLAGS_MASK _DRM_VBLANK_HIGH_CRTC_SHIFT
    }
    for (name, value) in [
        ("_DRM_VBLANK_ABSOLUTE", _DRM_VBLANK_ABSOLUTE),
        ("_DRM_VBLANK_RELATIVE", _DRM_VBLANK_RELATIVE),
        ("_DRM_VBLANK_HIGH_CRTC_MASK", _DRM_VBLANK_HIGH_CRTC_MASK),
        ("_DRM_VBLANK_EVENT", _DRM_VBLANK_EVENT),
        ("_DRM_VBLANK_FLIP", _DRM_VBLANK_FLIP),
        ("_DRM_VBLANK_NEXTONMISS", _DRM_VBLANK_NEXTONMISS),
        ("_DRM_VBLANK_SECONDARY", _DRM_VBLANK_SECONDARY),
        ("_DRM_VBLANK_SIGNAL", _DRM_VBLANK_SIGNAL),
    ] {
        // Members of an enum: no macro tells whether they are there.
        checks.push(Check {
            expression: name.into(),
            needs: None,
            value: value.into(),
        });
    }
    // libdrm's copy of the headers, where the distribution leaves them out of its own.
    holds(&[Header::any(&["drm/drm.h", "libdrm/drm.h"])], &checks);
}

#[test]
fn cec_is_laid_out_as_in_the_headers() {
    use cec::*;
    let mut checks = Vec::new();
    for ioctl in CEC_IOCTLS {
        checks.push(number(ioctl.name, u64::from(ioctl.cmd)));
    }
    for (name, value) in CEC_NUMBERS {
        checks.push(number(name, u64::from(*value)));
    }
    for (name, value) in CEC_BYTES {
        checks.push(number(name, u64::from(*value)));
    }
    checks.push(number(
        "CEC_PHYS_ADDR_INVALID",
        u64::from(CEC_PHYS_ADDR_INVALID),
    ));
    checks.push(number("CEC_MAX_MSG_SIZE", CEC_MAX_MSG_SIZE as u64));
    checks.push(number("CEC_MAX_LOG_ADDRS", CEC_MAX_LOG_ADDRS as u64));
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
        CecMsg = "struct cec_msg" {
            tx_ts, rx_ts, len, timeout, sequence, flags, msg, reply, rx_status, tx_status,
            tx_arb_lost_cnt, tx_nack_cnt, tx_low_drive_cnt, tx_error_cnt
        }
        CecCaps = "struct cec_caps" {
            driver, name, available_log_addrs, capabilities, version
        }
        CecLogAddrs = "struct cec_log_addrs" {
            log_addr, log_addr_mask, cec_version, num_log_addrs, vendor_id, flags, osd_name,
            primary_device_type, log_addr_type, all_device_types, features
        }
        CecConnectorInfo = "struct cec_connector_info" { type_ = "type", raw }
        CecEvent = "struct cec_event" { ts, event, flags, raw }
    }
    for (member, at) in [
        ("phys_addr", 0),
        ("log_addr_mask", 2),
        ("have_conn_info", 4),
    ] {
        // Read out of the words by CecEvent::state_change.
        checks.push(Check {
            expression: format!("offsetof(struct cec_event, state_change.{member})"),
            needs: None,
            value: (core::mem::offset_of!(CecEvent, raw) + at) as u64,
        });
    }
    // linux/cec.h leaves it to its user to include what _IOWR comes from.
    let headers = [
        Header::any(&["linux/ioctl.h"]),
        Header::any(&["linux/cec.h"]),
    ];
    holds(&headers, &checks);
}

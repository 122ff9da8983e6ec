//! Where Linux itself breaks a rule: named with the function, and nobody's fault here.

/// A place where a framework of Linux breaks a rule of lifetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The rule's number.
    pub rule: u8,
    /// The framework, such as `"v4l2"`.
    pub framework: &'static str,
    /// The kernel's function.
    pub function: &'static str,
    /// The call of a program that meets it, as operations are told: `"read"`,
    /// `"ioctl CEC_RECEIVE"`, `"ioctl"` for each of them. Empty where the framework
    /// tells the gap itself.
    pub call: &'static str,
    /// What happens there.
    pub what: &'static str,
}

const fn gap(
    rule: u8,
    framework: &'static str,
    function: &'static str,
    call: &'static str,
    what: &'static str,
) -> Gap {
    Gap {
        rule,
        framework,
        function,
        call,
        what,
    }
}

const NOT_WOKEN: &str = "sleeps on after the device is gone, until a signal comes";
const UNLOCKED: &str = "tests that the device is registered, holding nothing, and calls the driver";

/// All that are known here.
pub const GAPS: &[Gap] = &[
    gap(
        2,
        "iio",
        "iio_push_to_buffers_with_ts_unaligned",
        "",
        "allocates its bounce buffer as managed memory of IIO's own device",
    ),
    gap(12, "drm", "drm_read", "read", NOT_WOKEN),
    gap(12, "drm", "drm_poll", "poll", NOT_WOKEN),
    gap(12, "iio", "iio_buffer_poll", "poll", NOT_WOKEN),
    gap(
        12,
        "v4l2",
        "v4l2_event_dequeue",
        "ioctl VIDIOC_DQEVENT",
        NOT_WOKEN,
    ),
    gap(12, "cec", "cec_receive_msg", "ioctl CEC_RECEIVE", NOT_WOKEN),
    gap(12, "cec", "cec_dqevent", "ioctl CEC_DQEVENT", NOT_WOKEN),
    gap(
        14,
        "iio",
        "iio_buffer_flush_hwfifo",
        "",
        "is called after a test of info without its lock, and follows info",
    ),
    gap(
        14,
        "iio",
        "iio_buffer_read",
        "read",
        "tests info without its lock, and calls the driver's flush",
    ),
    gap(14, "v4l2", "v4l2_read", "read", UNLOCKED),
    gap(14, "v4l2", "v4l2_write", "write", UNLOCKED),
    gap(14, "v4l2", "v4l2_poll", "poll", UNLOCKED),
    gap(14, "v4l2", "v4l2_mmap", "mmap", UNLOCKED),
    gap(14, "v4l2", "v4l2_ioctl", "ioctl", UNLOCKED),
    gap(
        14,
        "cec",
        "cec_ioctl",
        "",
        "tests that the adapter is registered, holding nothing, and goes on with it",
    ),
    gap(
        14,
        "cec",
        "cec_adap_g_caps",
        "",
        "reads the driver of the parent, which may be unbound by then",
    ),
];

/// The gap that this call of a program meets, on a device of this class or bus.
pub(crate) fn met(rule: u8, subsystem: &str, call: &str) -> Option<&'static Gap> {
    let framework = match subsystem {
        "video4linux" => "v4l2",
        other => other,
    };
    GAPS.iter()
        .filter(|gap| gap.rule == rule && gap.framework == framework)
        .find(|gap| gap.call == call || call.split(' ').next() == Some(gap.call))
}

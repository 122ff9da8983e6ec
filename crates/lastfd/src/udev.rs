//! What udev is told of the frameworks' devices, which it would learn by opening them.

use lastfd_host::Properties;
#[cfg(feature = "v4l2")]
use lastfd_sync::Arc;

/// All that is known here.
pub(crate) fn properties() -> Vec<Properties> {
    let known: &[Properties] = &[
        #[cfg(feature = "v4l2")]
        Arc::new(camera),
    ];
    known.to_vec()
}

/// As systemd's `v4l_id` asks of a node (`VIDIOC_QUERYCAP`), and the attribute `index`.
#[cfg(feature = "v4l2")]
fn camera(device: &lastfd_model::raw::Device) -> Vec<(String, String)> {
    use lastfd_abi::v4l2::{V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_OUTPUT};

    let Some(video) = lastfd_v4l2::raw::to_video_device(device) else {
        return Vec::new();
    };
    let caps = video.device_caps();
    let mut can = ":".to_owned();
    for (bit, name) in [
        (V4L2_CAP_VIDEO_CAPTURE, "capture"),
        (V4L2_CAP_VIDEO_OUTPUT, "video_output"),
    ] {
        if caps & bit != 0 {
            can.push_str(name);
            can.push(':');
        }
    }
    let property = |key: &str, value: String| (key.to_owned(), value);
    vec![
        property("ID_V4L_VERSION", "2".to_owned()),
        property("ID_V4L_PRODUCT", video.name()),
        property("ID_V4L_CAPABILITIES", can),
        // A camera of its own name is told from others by it.
        property("ID_SERIAL", udev_name(&video.name())),
        property(".INDEX", video.index().to_string()),
    ]
}

/// As udev writes a name into a link: a '_' for what may not be there.
#[cfg(feature = "v4l2")]
fn udev_name(name: &str) -> String {
    let letter = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '#' | '+' | '-' | '.' | ':' | '=' | '@' | '_' => letter,
        _ => '_',
    };
    name.trim().chars().map(letter).collect()
}

//! Clients that stream from the camera.

use crate::user::{User, is_there, text};

/// Every frame is a mark, and each second a figure.
fn v4l2_ctl(arguments: &[&str], frames: usize) {
    if !is_there("v4l2-ctl") {
        return;
    }
    let count = format!("--stream-count={frames}");
    let command = [
        &["v4l2-ctl", "-d", "/dev/video0"],
        arguments,
        &["--stream-mmap", &count],
    ];
    let user = User::new();
    let mut run = user.run(&["camera:fps=1000"], &command.concat());
    let output = run.output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{arguments:?}: {said}");
    // It draws on its errors, where the log goes, too.
    let drawn = output.stderr.iter().chain(&output.stdout);
    let marks = drawn.filter(|byte| **byte == b'<').count();
    assert_eq!(marks, frames, "{arguments:?}: {said}");
    assert!(said.contains("verdict: clean"), "{said}");
}

#[test]
fn v4l2_ctl_streams_from_a_camera() {
    v4l2_ctl(&[], 30);
    // Through libv4l2, which converts to a format that the camera has not.
    v4l2_ctl(&["-w", "--set-fmt-video=pixelformat=RGB3"], 5);
}

#[test]
fn ffmpeg_takes_thirty_frames() {
    if !is_there("ffmpeg") {
        return;
    }
    let command = [
        "ffmpeg",
        "-hide_banner",
        "-nostdin",
        "-f",
        "v4l2",
        "-i",
        "/dev/video0",
        "-frames:v",
        "30",
        "-f",
        "null",
        "-",
    ];
    let user = User::new();
    let output = user.run(&["camera:fps=1000"], &command).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for words in [
        "rawvideo (YUY2",
        "yuyv422, 640x480",
        "frame=   30",
        "verdict: clean",
    ] {
        assert!(said.contains(words), "no `{words}`: {said}");
    }
}

#[test]
fn gstreamer_takes_thirty_buffers() {
    if !is_there("gst-launch-1.0") {
        return;
    }
    let command = [
        "gst-launch-1.0",
        "-v",
        "v4l2src",
        "num-buffers=30",
        "!",
        "video/x-raw,format=YUY2,width=640",
        "!",
        "fakesink",
        "silent=false",
    ];
    let user = User::new();
    let output = user.run(&["camera:fps=1000"], &command).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let buffers = said.matches("chain   *******").count();
    assert_eq!(buffers, 30, "{said}");
    assert!(said.contains("verdict: clean"), "{said}");
}

#[test]
fn a_camera_pulled_out_under_v4l2_ctl_ends_its_stream() {
    if !is_there("v4l2-ctl") {
        return;
    }
    let user = User::new();
    let mut run = user.lastfd();
    run.args(["run", "--device", "camera:fps=1000"]);
    run.args(["--unplug", "camera@ioctl:VIDIOC_DQBUF:30", "--"]);
    let output = run.args(["v4l2-ctl", "--stream-mmap"]).output().unwrap();
    let said = text(&output);
    // Which call hears of it first is a race.
    assert!(said.contains(" = -ENODEV"), "{said}");
    assert!(said.contains("unplug    camera at"), "{said}");
    assert!(said.contains("verdict: clean"), "{said}");
}

//! Clients that stream from the camera.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

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

/// Calls of both kinds all the time: a device's and the machine's own.
const BUSY: &str = "\
    v4l2-ctl -d /dev/video0 --stream-mmap > /dev/null 2>&1 & \
    echo running; \
    while cat /etc/passwd > /dev/null; do :; done; \
    echo broken";

#[test]
fn a_run_that_is_killed_in_mid_stream_ends_its_programs_and_no_call_of_theirs_fails() {
    if !is_there("v4l2-ctl") {
        return;
    }
    let user = User::new();
    let mut run = user.run(&["camera:fps=1000"], &["sh", "-c", BUSY]);
    let mut run = run
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(run.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    user.ctl(&["wait", "ioctl:VIDIOC_DQBUF:30", "--within", "20"]);
    // `timeout`, which was started, has one child.
    let children = format!("/proc/{0}/task/{0}/children", run.id());
    let lastfd = std::fs::read_to_string(children).unwrap();
    let killed = Command::new("kill")
        .args(["-s", "KILL", lastfd.trim()])
        .status();
    assert!(killed.unwrap().success());
    // They end when nobody is left who could write to them.
    let (mut rest, mut errors) = (String::new(), String::new());
    said.read_to_string(&mut rest).unwrap();
    let mut from = run.stderr.take().unwrap();
    from.read_to_string(&mut errors).unwrap();
    run.wait().unwrap();
    assert_eq!(rest, "");
    assert!(!errors.contains("not implemented"), "{errors}");
    // The next run starts clean, and leaves nothing.
    let next = user.run(&["camera"], &["true"]).output().unwrap();
    assert!(next.status.success(), "{}", text(&next));
    let left = std::fs::read_dir(user.home().join("lastfd")).unwrap();
    assert_eq!(left.count(), 0);
}

//! V4L2: pollers are told, who dequeues events is not, and who dequeues buffers
//! only when the driver is unbound.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{MapRequest, OpenFile, OpenFlags, PollMask};
use lastfd_kunit::{
    Param, Test, kunit_assert_not_null, kunit_expect_eq, kunit_expect_false, kunit_expect_ne,
    kunit_expect_true, kunit_suite,
};
use lastfd_model::raw::{device_attach, platform_device_unregister};
use lastfd_model::{Errno, Result};
use lastfd_rigs::v4l2::{
    Camera, FRAME, Removal, Rig, buffer, ctrl, dqbuf, dqevent, ioctl, map, qbuf, querybuf, reqbufs,
    set_ctrl, stream, subscribe, try_start,
};
use lastfd_sync::{Arc, Cancel};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::asleep::Asleep;
use super::edge;
use super::held::{Held, Ioctls, ioctl_with, mask, said};
use super::{answers_as_recorded, calls, until_the_end};

const IOCTLS: Ioctls = Ioctls {
    known: VIDIOC_QUERYCAP,
    // _IO('V', 191)
    unknown: 0x56bf,
    // CEC_ADAP_G_CAPS
    foreign: 0xc04c_6100,
};

const FRAME_TIME: Duration = Duration::from_millis(200);
const BUFFERS: u32 = 3;

fn removals() -> Vec<Param> {
    Param::each([Removal::Unbind, Removal::Disconnect], |how| {
        format!("{how:?}").to_lowercase()
    })
}

fn of_param(test: &Test) -> Removal {
    *kunit_assert_not_null!(test, test.param::<Removal>())
}

/// A camera with a frame so often, or never.
fn plugged(test: &Test, period: Option<Duration>) -> Result<(Arc<Rig>, OpenFile)> {
    let rig = Rig::on(test.system(), move |device| Camera::probe(device, period))?;
    let rig = until_the_end(test, rig, Rig::end)?;
    rig.made().ok_or(Errno::ENODEV)?;
    let file = rig.open(OpenFlags::RDWR | OpenFlags::LARGEFILE)?;
    Ok((rig, file))
}

fn silent(test: &Test) -> Result<(Arc<Rig>, OpenFile)> {
    plugged(test, None)
}

fn running(test: &Test) -> Result<(Arc<Rig>, OpenFile)> {
    plugged(test, Some(FRAME_TIME))
}

/// A stream with buffers and nothing queued, without frames.
fn dry(test: &Test) -> Result<(Arc<Rig>, OpenFile)> {
    let (rig, file) = silent(test)?;
    reqbufs(&file, 2)?;
    stream(&file, true)?;
    Ok((rig, file))
}

/// Calls that only a camera has.
fn own_call(file: &OpenFile, operation: &str) -> Option<String> {
    let with_type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    Some(match operation {
        "G_FMT" => {
            let mut format = V4l2Format {
                type_: with_type,
                ..V4l2Format::default()
            };
            said(ioctl(file, VIDIOC_G_FMT, &mut format))
        }
        "G_CTRL" => said(ctrl(file, V4L2_CID_BRIGHTNESS).map(|_| 0)),
        "S_CTRL" => said(set_ctrl(file, V4L2_CID_BRIGHTNESS, 9).map(|_| 0)),
        "SUBSCRIBE_EVENT" => said(subscribe(file, V4L2_CID_BRIGHTNESS, 0)),
        "EXPBUF" => {
            let export = V4l2Exportbuffer {
                type_: with_type,
                ..V4l2Exportbuffer::default()
            };
            said(ioctl_with(file, VIDIOC_EXPBUF, export.as_bytes()))
        }
        "QBUF 0" => said(ioctl(file, VIDIOC_QBUF, &mut buffer(0))),
        "DQBUF" => said(ioctl(file, VIDIOC_DQBUF, &mut buffer(0))),
        "DQEVENT" => said(dqevent(file).map(|_| 0)),
        "STREAMOFF" | "STREAMOFF 2" => said(stream(file, false)),
        "STREAMON" => said(stream(file, true)),
        "REQBUFS 0" => said(reqbufs(file, 0)),
        _ => return None,
    })
}

/// A streaming camera without frames, held by a descriptor and a mapping.
fn row(test: &Test, how: Removal) -> Result {
    let (rig, first) = silent(test)?;
    let device = rig.camera().vdev.dev().ok_or(Errno::ENODEV)?;
    let path = format!("/dev/{}", device.name());
    let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
    let held = Held::new(&device, path, flags, "name", IOCTLS)?;
    drop(first);
    try_start(&held.file, 3)?;
    let zero = querybuf(&held.file, 0)?;
    let held = held.mapped(MapRequest::shared(zero.offset, zero.length.into()))?;
    answers_as_recorded(
        test,
        &held,
        |operation| own_call(&held.file, operation),
        || rig.try_remove(how),
    )?;
    let mapping = held.close();
    kunit_expect_false!(
        test,
        crate::released(&device),
        "a mapping is an open file, too"
    );
    drop(mapping);
    kunit_expect_eq!(test, crate::released(&device), how == Removal::Unbind);
    Ok(())
}

fn a_call_after_unbind(test: &Test) -> Result {
    row(test, Removal::Unbind)
}

fn a_call_after_disconnect(test: &Test) -> Result {
    row(test, Removal::Disconnect)
}

/// An ioctl that succeeds, and what it wrote.
fn filled<T: FromBytes + IntoBytes + Immutable>(
    file: &OpenFile,
    cmd: u32,
    mut arg: T,
) -> Result<T> {
    ioctl(file, cmd, &mut arg)?;
    Ok(arg)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

fn a_live_camera_tells_what_it_is_and_its_one_format(test: &Test) -> Result {
    let (_rig, file) = silent(test)?;
    let cap = filled(&file, VIDIOC_QUERYCAP, V4l2Capability::default())?;
    kunit_expect_eq!(test, text(&cap.card), "A camera");
    kunit_expect_ne!(test, cap.device_caps & V4L2_CAP_STREAMING, 0);
    let desc = |index| V4l2Fmtdesc {
        index,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Fmtdesc::default()
    };
    let first = filled(&file, VIDIOC_ENUM_FMT, desc(0))?;
    kunit_expect_eq!(test, first.pixelformat, V4L2_PIX_FMT_GREY);
    let second = filled(&file, VIDIOC_ENUM_FMT, desc(1)).err();
    kunit_expect_eq!(test, second, Some(Errno::EINVAL));
    let format = V4l2Format {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Format::default()
    };
    let format = filled(&file, VIDIOC_G_FMT, format)?;
    kunit_expect_eq!(test, format.pix().sizeimage as usize, FRAME);
    Ok(())
}

fn a_live_camera_has_a_control_that_tells_of_its_changes(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    subscribe(&file, V4L2_CID_BRIGHTNESS, 0)?;
    let other = rig.open(OpenFlags::RDWR)?;
    kunit_expect_eq!(test, set_ctrl(&other, V4L2_CID_BRIGHTNESS, 9), Ok(9));
    kunit_expect_eq!(test, ctrl(&file, V4L2_CID_BRIGHTNESS), Ok(9));
    let asked = PollMask::PRI;
    kunit_expect_eq!(test, file.poll(asked, Some(Duration::ZERO)), asked);
    let event = dqevent(&file)?;
    kunit_expect_eq!(test, event.id, V4L2_CID_BRIGHTNESS);
    Ok(())
}

fn a_live_camera_fills_mapped_buffers_in_order(test: &Test) -> Result {
    let (_rig, file) = running(test)?;
    try_start(&file, 3)?;
    for number in 0..5 {
        let frame = dqbuf(&file)?;
        kunit_expect_eq!(test, frame.sequence, number);
        let mapping = map(&file, frame.index)?;
        let mut written = [0; 4];
        mapping.read(0, &mut written)?;
        kunit_expect_eq!(test, u32::from_le_bytes(written), number);
        qbuf(&file, frame.index)?;
    }
    stream(&file, false)?;
    kunit_expect_eq!(test, dqbuf(&file).err(), Some(Errno::EINVAL));
    Ok(())
}

fn a_live_camera_without_a_stream_can_be_read(test: &Test) -> Result {
    let (_rig, file) = running(test)?;
    kunit_expect_eq!(test, file.read(&mut [0; 8192]), Ok(FRAME));
    kunit_expect_eq!(test, file.read(&mut []), Ok(0));
    kunit_expect_eq!(test, file.write(&[0; 16]), Err(Errno::EINVAL));
    Ok(())
}

fn what_was_done_and_what_had_happened_is_lost_with_the_device(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    try_start(&file, 3)?;
    subscribe(&file, V4L2_CID_BRIGHTNESS, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK)?;
    set_ctrl(&file, V4L2_CID_BRIGHTNESS, 1)?;
    rig.camera().frames.produce();
    let asked = PollMask::IN | PollMask::PRI;
    kunit_expect_eq!(test, file.poll(asked, Some(Duration::ZERO)), asked);
    rig.try_remove(of_param(test))?;
    let found = file.poll(asked, Some(Duration::ZERO));
    kunit_expect_eq!(test, mask(found), "PRI/ERR/HUP");
    kunit_expect_eq!(test, dqbuf(&file).err(), Some(Errno::ENODEV));
    kunit_expect_eq!(test, dqevent(&file).err(), Some(Errno::ENODEV));
    Ok(())
}

fn a_frame_that_was_mapped_can_be_read_after_the_device_went(test: &Test) -> Result {
    let (rig, file) = running(test)?;
    try_start(&file, 3)?;
    let mapping = map(&file, 0)?;
    let mut of_mapped = None;
    // Buffer 0, and again after the other two.
    for _ in 0..4 {
        let frame = dqbuf(&file)?;
        if frame.index == 0 && frame.sequence > 0 {
            of_mapped = Some(frame.sequence);
            break;
        }
        qbuf(&file, frame.index)?;
    }
    rig.try_remove(Removal::Unbind)?;
    drop(file);
    let mut number = [0; 4];
    mapping.read(0, &mut number)?;
    kunit_expect_eq!(test, Some(u32::from_le_bytes(number)), of_mapped);
    let device = rig.camera().vdev.dev().ok_or(Errno::ENODEV)?;
    kunit_expect_false!(test, crate::released(&device));
    drop(mapping);
    kunit_expect_true!(test, crate::released(&device));
    Ok(())
}

/// What its node is called.
fn name(rig: &Rig) -> Result<String> {
    let device = rig.made().and_then(|camera| camera.vdev.dev());
    Ok(device.ok_or(Errno::ENODEV)?.name().to_string())
}

fn the_node_number_is_free_only_after_the_last_close(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    let node = || -> Result<String> {
        test.system().wait_for_releases();
        device_attach(&rig.hardware)?;
        name(&rig)
    };
    let first = name(&rig)?;
    rig.try_remove(Removal::Unbind)?;
    kunit_expect_ne!(test, node()?, first);
    let dead = ioctl(&file, VIDIOC_QUERYCAP, &mut V4l2Capability::default());
    kunit_expect_eq!(test, dead, Err(Errno::ENODEV), "the old one stays dead");
    rig.try_remove(Removal::Unbind)?;
    drop(file);
    kunit_expect_eq!(test, node()?, first);
    Ok(())
}

fn after_disconnect_the_last_close_brings_vivid_back(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    rig.try_remove(Removal::Disconnect)?;
    kunit_expect_eq!(test, rig.open(OpenFlags::RDWR).err(), Some(Errno::ENODEV));
    drop(file);
    let file = rig.open(OpenFlags::RDWR)?;
    filled(&file, VIDIOC_QUERYCAP, V4l2Capability::default())?;
    Ok(())
}

fn unbinding_sends_the_nodes_uevent_and_then_the_hardwares(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    drop(file);
    rig.record.take();
    rig.try_remove(Removal::Unbind)?;
    let all = [
        format!("{}: uevent remove", name(&rig)?),
        "camera.0: uevent unbind".to_owned(),
    ];
    kunit_expect_eq!(test, rig.uevents(), all);
    Ok(())
}

/// A blocking ioctl, ended by a signal.
fn until(file: &OpenFile, cmd: u32, bytes: Vec<u8>, signal: &Cancel) -> Result<i32> {
    let mut program = lastfd_chrdev::Process::new();
    let arg = program.map(bytes);
    file.ioctl_with(cmd, arg, &mut program, signal)
}

/// A program that sleeps in DQBUF.
fn dequeuing(test: &Test, file: &OpenFile) -> Result<Asleep<Result<i32>>> {
    let file = file.clone();
    Asleep::new(test, move |signal| {
        until(&file, VIDIOC_DQBUF, buffer(0).as_bytes().to_vec(), signal)
    })
}

fn a_blocked_dqbuf_gets_einval_at_unbind_and_enodev_after(test: &Test) -> Result {
    let (rig, file) = dry(test)?;
    let dequeue = dequeuing(test, &file)?;
    kunit_expect_true!(test, rig.camera().queue.info().waiting);
    rig.try_remove(Removal::Unbind)?;
    kunit_expect_eq!(test, dequeue.woken(test)?, Err(Errno::EINVAL));
    kunit_expect_eq!(test, dqbuf(&file).err(), Some(Errno::ENODEV));
    Ok(())
}

fn a_blocked_dqbuf_stays_blocked_at_disconnect(test: &Test) -> Result {
    let (rig, file) = dry(test)?;
    let dequeue = dequeuing(test, &file)?;
    rig.try_remove(Removal::Disconnect)?;
    kunit_expect_eq!(test, dequeue.not_woken(test)?, Err(Errno::EINTR));
    kunit_expect_false!(test, rig.camera().queue.info().waiting);
    // vivid forgets to wake the queue.
    test.expect_findings(&[12]);
    Ok(())
}

fn a_blocked_dqevent_is_not_woken(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    subscribe(&file, V4L2_CID_BRIGHTNESS, 0)?;
    let waiting = Asleep::new(test, move |signal| {
        let event = V4l2Event::default().as_bytes().to_vec();
        until(&file, VIDIOC_DQEVENT, event, signal)
    })?;
    rig.try_remove(of_param(test))?;
    // It is woken, finds that nothing happened, and sleeps on.
    let woken = format!("{}: 1 woken", name(&rig)?);
    kunit_expect_true!(test, rig.story().contains(&woken));
    kunit_expect_eq!(test, waiting.not_woken(test)?, Err(Errno::EINTR));
    Ok(())
}

/// Takes and gives frames until something fails: which call, and how, and how
/// many frames there were. The buffers come in turn.
fn capture(file: &OpenFile, signal: &Cancel) -> (&'static str, Errno, u32) {
    let mut frames = 0;
    loop {
        let any = buffer(0).as_bytes().to_vec();
        if let Err(errno) = until(file, VIDIOC_DQBUF, any, signal) {
            return ("DQBUF", errno, frames);
        }
        frames += 1;
        if let Err(errno) = qbuf(file, (frames - 1) % BUFFERS) {
            return ("QBUF", errno, frames);
        }
    }
}

/// Reads frames until that fails: how, and how many there were.
fn read_all(file: &OpenFile, signal: &Cancel) -> (Errno, u32) {
    let mut frames = 0;
    loop {
        match file.read_with(&mut [0; FRAME], signal) {
            Ok(_) => frames += 1,
            Err(errno) => return (errno, frames),
        }
    }
}

/// A loop on a running camera, of which five frames have come.
fn looping<T: Send + 'static>(
    test: &Test,
    rig: &Rig,
    file: &OpenFile,
    run: impl FnOnce(&OpenFile, &Cancel) -> T + Send + 'static,
) -> Result<Asleep<T>> {
    let file = file.clone();
    let task = Asleep::new(test, move |signal| run(&file, signal))?;
    rig.clock.advance(FRAME_TIME * 5);
    Ok(task)
}

/// The loop does not end at a disconnect, but at the frame after it.
fn ends_with_the_next_frame<T: Send + 'static>(
    test: &Test,
    rig: &Rig,
    task: Asleep<T>,
) -> Result<T> {
    rig.try_remove(Removal::Disconnect)?;
    kunit_expect_true!(test, task.sleeps(), "the removal woke it");
    rig.clock.advance(FRAME_TIME);
    Ok(task.ended()?.0)
}

fn a_loop_of_dqbuf_and_qbuf_ends_in_dqbuf_at_unbind(test: &Test) -> Result {
    let (rig, file) = running(test)?;
    try_start(&file, BUFFERS)?;
    let task = looping(test, &rig, &file, capture)?;
    rig.try_remove(Removal::Unbind)?;
    kunit_expect_eq!(test, task.woken(test)?, ("DQBUF", Errno::EINVAL, 5));
    Ok(())
}

fn a_loop_of_dqbuf_and_qbuf_gets_one_more_frame_at_disconnect(test: &Test) -> Result {
    let (rig, file) = running(test)?;
    try_start(&file, BUFFERS)?;
    let task = looping(test, &rig, &file, capture)?;
    let ended = ends_with_the_next_frame(test, &rig, task)?;
    kunit_expect_eq!(test, ended, ("QBUF", Errno::ENODEV, 6));
    Ok(())
}

fn a_loop_of_reads_gets_einval_at_unbind(test: &Test) -> Result {
    let (rig, file) = running(test)?;
    let task = looping(test, &rig, &file, read_all)?;
    rig.try_remove(Removal::Unbind)?;
    kunit_expect_eq!(test, task.woken(test)?, (Errno::EINVAL, 5));
    kunit_expect_eq!(test, file.read(&mut [0; 8]), Err(Errno::ENODEV));
    Ok(())
}

fn a_loop_of_reads_gets_enodev_after_the_next_frame_at_disconnect(test: &Test) -> Result {
    let (rig, file) = running(test)?;
    let task = looping(test, &rig, &file, read_all)?;
    let ended = ends_with_the_next_frame(test, &rig, task)?;
    kunit_expect_eq!(test, ended, (Errno::ENODEV, 6));
    Ok(())
}

fn a_blocked_poll_is_woken_at_once(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    try_start(&file, 2)?;
    let of_task = file.clone();
    let poller = Asleep::new(test, move |signal| {
        of_task.poll_with(PollMask::IN | PollMask::PRI, None, signal)
    })?;
    rig.try_remove(of_param(test))?;
    let found = poller.woken(test)??;
    kunit_expect_eq!(test, mask(found), "PRI/ERR/HUP");
    // select: readable and exceptional.
    kunit_expect_true!(test, found.intersects(PollMask::SELECT_READ));
    kunit_expect_true!(test, found.intersects(PollMask::SELECT_EXCEPT));
    Ok(())
}

fn an_edge_triggered_epoll_is_woken_and_finds_the_hang_up(test: &Test) -> Result {
    let (rig, file) = silent(test)?;
    try_start(&file, 2)?;
    edge::is_woken_and_finds_the_hang_up(test, &file, || rig.try_remove(of_param(test)))
}

fn removal_waits_for_nobody(test: &Test) -> Result {
    let (rig, file) = dry(test)?;
    let dequeue = dequeuing(test, &file)?;
    let before = rig.clock.now();
    rig.try_remove(of_param(test))?;
    kunit_expect_eq!(test, rig.clock.now(), before);
    drop((dequeue, file));
    platform_device_unregister(&rig.hardware);
    kunit_expect_true!(test, crate::released(&rig.hardware));
    if of_param(test) == Removal::Disconnect {
        test.expect_findings(&[12]);
    }
    Ok(())
}

kunit_suite! {
    /// What an open file sees when its V4L2 device goes.
    pub suite unplug_v4l2 = "unplug-v4l2" {
        a_call_after_unbind.params(calls("v4l2-unbind")),
        a_call_after_disconnect.params(calls("v4l2-disconnect")),
        a_live_camera_tells_what_it_is_and_its_one_format,
        a_live_camera_has_a_control_that_tells_of_its_changes,
        a_live_camera_fills_mapped_buffers_in_order,
        a_live_camera_without_a_stream_can_be_read,
        what_was_done_and_what_had_happened_is_lost_with_the_device.params(removals()),
        a_frame_that_was_mapped_can_be_read_after_the_device_went,
        the_node_number_is_free_only_after_the_last_close,
        after_disconnect_the_last_close_brings_vivid_back,
        unbinding_sends_the_nodes_uevent_and_then_the_hardwares,
        a_blocked_dqbuf_gets_einval_at_unbind_and_enodev_after,
        a_blocked_dqbuf_stays_blocked_at_disconnect,
        a_blocked_dqevent_is_not_woken.params(removals()),
        a_loop_of_dqbuf_and_qbuf_ends_in_dqbuf_at_unbind,
        a_loop_of_dqbuf_and_qbuf_gets_one_more_frame_at_disconnect,
        a_loop_of_reads_gets_einval_at_unbind,
        a_loop_of_reads_gets_enodev_after_the_next_frame_at_disconnect,
        a_blocked_poll_is_woken_at_once.params(removals()),
        an_edge_triggered_epoll_is_woken_and_finds_the_hang_up.params(removals()),
        removal_waits_for_nobody.params(removals()),
    }
}

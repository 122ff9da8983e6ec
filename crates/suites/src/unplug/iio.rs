//! IIO: readers are told, pollers are not woken.

use core::time::Duration;

use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, PollTable};
use lastfd_iio::raw::*;
use lastfd_kunit::{
    Param, Test, kunit_assert_eq, kunit_assert_not_null, kunit_expect_eq, kunit_expect_false,
    kunit_expect_ne, kunit_expect_true, kunit_suite,
};
use lastfd_model::{Errno, Result};
use lastfd_rigs::iio::{Rig, dummy};
use lastfd_sync::{Arc, Wake};

use super::asleep::Asleep;
use super::held::{Held, Ioctls, ioctl, said};
use super::{answers_as_recorded, calls, until_the_end};

const IOCTLS: Ioctls = Ioctls {
    known: IIO_GET_EVENT_FD_IOCTL,
    // _IO('i', 0xff)
    unknown: 0x69ff,
    // VIDIOC_QUERYCAP
    foreign: 0x8068_5600,
};

/// The three descriptors a program can have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fd {
    Chrdev,
    Buffer,
    Event,
}

fn descriptors() -> Vec<Param> {
    Param::each([Fd::Chrdev, Fd::Buffer, Fd::Event], |fd| {
        format!("{fd:?}").to_lowercase()
    })
}

fn of_param(test: &Test) -> Fd {
    *kunit_assert_not_null!(test, test.param::<Fd>())
}

/// A device whose buffer is enabled, with a trigger that is silent.
fn plugged(test: &Test) -> Result<Arc<Rig>> {
    let rig = until_the_end(test, Rig::on(test.system(), dummy)?, Rig::end)?;
    rig.made().ok_or(Errno::ENODEV)?;
    rig.enable_buffer()?;
    Ok(rig)
}

fn held(test: &Test, fd: Fd) -> Result<(Arc<Rig>, Held)> {
    let rig = plugged(test)?;
    let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
    let held = Held::new(
        rig.iio().dev(),
        rig.path(),
        flags,
        "in_voltage0_raw",
        IOCTLS,
    )?;
    let held = match fd {
        Fd::Chrdev => held,
        Fd::Buffer => held.on(|node| node.ioctl_file(IIO_BUFFER_GET_FD_IOCTL, 0))?,
        Fd::Event => held.on(|node| node.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0))?,
    };
    Ok((rig, held))
}

fn row(test: &Test, fd: Fd) -> Result {
    let (rig, held) = held(test, fd)?;
    // Always made on the node.
    let own = |operation: &str| match operation {
        "IIO_BUFFER_GET_FD" => Some(said(ioctl(held.node(), IIO_BUFFER_GET_FD_IOCTL))),
        _ => None,
    };
    answers_as_recorded(test, &held, own, || {
        rig.unplug();
        Ok(())
    })?;
    let iio = rig.iio();
    kunit_expect_true!(test, crate::released(&rig.hardware));
    kunit_expect_false!(test, crate::released(iio.dev()));
    held.close();
    kunit_expect_true!(test, crate::released(iio.dev()));
    Ok(())
}

fn a_call_on_the_node(test: &Test) -> Result {
    row(test, Fd::Chrdev)
}

fn a_call_on_the_buffers_descriptor(test: &Test) -> Result {
    row(test, Fd::Buffer)
}

fn a_call_on_the_event_descriptor(test: &Test) -> Result {
    row(test, Fd::Event)
}

/// What a live device gives to the calls that were recorded after its removal.
fn a_live_device_refuses_writes_and_has_nothing_to_read(test: &Test) -> Result {
    let (_rig, held) = held(test, of_param(test))?;
    let write = match of_param(test) {
        Fd::Event => "EBADF",
        Fd::Chrdev | Fd::Buffer => "EPERM",
    };
    for (call, given) in [
        ("write", write),
        ("read 0 bytes", "EINVAL"),
        ("read nonblock", "EAGAIN"),
        ("read blocking", "blocks"),
    ] {
        let said = held.call(test, call);
        kunit_expect_eq!(test, said.as_deref(), Some(given), "{call}");
    }
    Ok(())
}

/// Fills the buffer with a sample, and the queue with an event.
fn queue_something(rig: &Rig) -> Result {
    rig.fire();
    iio_push_event(&rig.iio(), 1, 2)
}

fn what_was_queued_is_lost_with_the_device(test: &Test) -> Result {
    let (rig, held) = held(test, of_param(test))?;
    queue_something(&rig)?;
    let ready = || held.file.poll(PollMask::IN, Some(Duration::ZERO));
    kunit_expect_eq!(test, ready(), PollMask::IN);
    rig.unplug();
    kunit_expect_eq!(test, ready(), PollMask::NONE);
    kunit_expect_eq!(test, held.file.read(&mut [0; 64]), Err(Errno::ENODEV));
    Ok(())
}

fn a_disabled_buffer_makes_no_difference_after_removal(test: &Test) -> Result {
    let (rig, held) = held(test, Fd::Chrdev)?;
    rig.write("buffer/enable", "0")?;
    rig.unplug();
    let call = |operation| held.call(test, operation);
    kunit_expect_eq!(test, call("read blocking").as_deref(), Some("ENODEV"));
    kunit_expect_eq!(test, call("poll IN/PRI/OUT").as_deref(), Some("0"));
    Ok(())
}

fn partial_data_is_returned(test: &Test) -> Result {
    let (rig, held) = held(test, Fd::Chrdev)?;
    queue_something(&rig)?;
    let mut buffer = [0xff; 64];
    kunit_expect_eq!(test, held.file.read(&mut buffer), Ok(2));
    kunit_expect_eq!(test, &buffer[..3], &[0, 0, 0xff][..]);
    Ok(())
}

fn a_device_made_while_the_old_one_is_held_gets_the_next_number(test: &Test) -> Result {
    let (rig, held) = held(test, Fd::Chrdev)?;
    let first = rig.iio().dev().name().to_string();
    rig.unplug();
    let name_of_another = |id| -> Result<String> {
        test.system().wait_for_releases();
        let another = rig.plug_another(id)?;
        let name = rig.made().map(|iio| iio.dev().name().to_string());
        lastfd_model::raw::platform_device_unregister(&another);
        name.ok_or(Errno::ENODEV)
    };
    kunit_expect_ne!(test, name_of_another(1)?, first);
    kunit_expect_eq!(test, held.file.read(&mut [0; 64]), Err(Errno::ENODEV));
    held.close();
    kunit_expect_eq!(test, name_of_another(2)?, first, "free at close");
    Ok(())
}

fn removal_sends_one_uevent(test: &Test) -> Result {
    let rig = plugged(test)?;
    rig.record.take();
    let iio = rig.iio();
    let trigger = iio.trigger().ok_or(Errno::ENODEV)?;
    let all = [iio.dev(), trigger.dev()].map(|dev| format!("{}: uevent remove", dev.name()));
    rig.unplug();
    let mut uevents = rig.uevents();
    uevents.retain(|line| !line.starts_with("dummy.0"));
    kunit_expect_eq!(test, uevents, all);
    Ok(())
}

fn a_blocked_read_gets_enodev_at_once(test: &Test) -> Result {
    let (rig, held) = held(test, of_param(test))?;
    let file = held.file.clone();
    let reader = Asleep::new(test, move |signal| file.read_with(&mut [0; 64], signal))?;
    rig.unplug();
    kunit_expect_eq!(test, reader.woken(test)?, Err(Errno::ENODEV));
    Ok(())
}

/// Polls for these, until a signal comes.
fn poll(test: &Test, file: &OpenFile, events: PollMask) -> Result<Asleep<Result<PollMask>>> {
    let file = file.clone();
    Asleep::new(test, move |signal| file.poll_with(events, None, signal))
}

fn a_blocked_poll_is_not_woken(test: &Test) -> Result {
    let (rig, held) = held(test, of_param(test))?;
    let poller = poll(test, &held.file, PollMask::IN | PollMask::PRI)?;
    let select = PollMask::SELECT_READ | PollMask::SELECT_WRITE | PollMask::SELECT_EXCEPT;
    let selecting = poll(test, &held.file, select)?;
    rig.unplug();
    kunit_expect_eq!(test, poller.not_woken(test)?, Err(Errno::EINTR));
    kunit_expect_eq!(test, selecting.not_woken(test)?, Err(Errno::EINTR));
    Ok(())
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

fn epoll_finds_nothing_to_report_when_the_queue_is_woken(test: &Test) -> Result {
    // The kernel wakes the queue; epoll then asks the file, which has nothing.
    let (rig, held) = held(test, Fd::Chrdev)?;
    let mut table = PollTable::new(PollMask::IN);
    kunit_expect_true!(test, held.file.try_poll(&mut table).is_empty());
    kunit_assert_eq!(test, table.queues().len(), 1);
    let queue = Arc::clone(&table.queues()[0]);
    let _entry = queue.add(Arc::new(Nobody));
    rig.unplug();
    let woken = format!("{}: 1 woken", rig.iio().dev().name());
    kunit_expect_true!(test, rig.story().contains(&woken));
    let found = held.file.try_poll(&mut PollTable::now());
    kunit_expect_true!(test, found.is_empty());
    Ok(())
}

fn removal_does_not_wait_for_who_holds_a_file(test: &Test) -> Result {
    let (rig, held) = held(test, of_param(test))?;
    let before = rig.clock.now();
    rig.unplug();
    kunit_expect_eq!(test, rig.clock.now(), before);
    kunit_expect_true!(test, crate::released(&rig.hardware));
    held.close();
    kunit_expect_true!(test, crate::released(rig.iio().dev()));
    Ok(())
}

kunit_suite! {
    /// What an open file sees when its IIO device goes.
    pub suite unplug_iio = "unplug-iio" {
        a_call_on_the_node.params(calls("iio-chrdev")),
        a_call_on_the_buffers_descriptor.params(calls("iio-buffer")),
        a_call_on_the_event_descriptor.params(calls("iio-event")),
        a_live_device_refuses_writes_and_has_nothing_to_read.params(descriptors()),
        what_was_queued_is_lost_with_the_device.params(descriptors()),
        a_disabled_buffer_makes_no_difference_after_removal,
        partial_data_is_returned,
        a_device_made_while_the_old_one_is_held_gets_the_next_number,
        removal_sends_one_uevent,
        a_blocked_read_gets_enodev_at_once.params(descriptors()),
        a_blocked_poll_is_not_woken.params(descriptors()),
        epoll_finds_nothing_to_report_when_the_queue_is_woken,
        removal_does_not_wait_for_who_holds_a_file.params(descriptors()),
    }
}

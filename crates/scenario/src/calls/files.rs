//! Statements about character devices, open files, threads that use them, and
//! sysfs.

use std::time::Duration;

use lastfd_chrdev::{
    File, FileOps, Ioctl, OpSet, OpenFile, OpenFlags, PollTable, Process, Read, Try, Write,
    cdev_device_add, cdev_device_del, cdev_init, open,
};
use lastfd_model::raw::{
    alloc_chrdev_region, attr_read, attr_write, sysfs_open, unregister_chrdev_region,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Cancel, Clock, Ktime, Mutex, WaitQueue, Weak, wait_event};

use super::core::done;
use super::{Call, Got};
use crate::ast::{Arg, NameId};
use crate::language::Op;
use crate::record::Rc;
use crate::run::{Absent, Run};
use crate::value::{Outcome, Value};

/// A call that the scenario itself makes is ended after this long, in simulated
/// time: nobody else could.
const LONGEST_CALL: Duration = Duration::from_secs(3600);

/// More bytes than this are not read at once.
const LONGEST_READ: usize = 1 << 16;

impl Call<'_> {
    pub(super) fn file_call(&self) -> Got<Outcome> {
        match self.line.op {
            Op::FileOperations => self.declare_operations(),
            Op::CdevInit => self.init_cdev(),
            Op::AllocChrdevRegion => self.alloc_region(),
            Op::UnregisterChrdevRegion => {
                let devt = self.run.with(self.name(0), |value| value.devt())?;
                Ok(done(|| unregister_chrdev_region(&self.run.system, devt)))
            }
            Op::CdevDeviceAdd | Op::CdevDeviceDel => self.cdev_call(),
            Op::Open => self.open(),
            Op::Close => match self.run.take(self.name(0)) {
                Some(Value::File(file)) => Ok(done(|| drop(file))),
                _ => Err(Absent(self.name(0))),
            },
            Op::KthreadRead => self.start_reader(),
            Op::WaitForCompletionTimeout => self.wait_for_thread(),
            Op::SysfsRead => self.read_attribute(),
            Op::SysfsWrite => {
                let (device, path) = (self.device(0)?, self.text(1)?);
                let text = self.text(2)?;
                Ok(Outcome::count(counted(attr_write(
                    &device,
                    &path,
                    text.as_bytes(),
                ))))
            }
            _ => self.open_file_call(),
        }
    }

    fn declare_operations(&self) -> Got<Outcome> {
        let operations = ScenarioFops {
            run: Arc::downgrade(self.run),
            open: self.keyword_name(0),
            read: self.keyword_name(1),
            write: self.keyword_name(2),
            ioctl: self.keyword_name(3),
            release: self.keyword_name(4),
        };
        self.run
            .set(self.name(0), Value::FileOperations(Arc::new(operations)));
        Ok(Outcome::Done)
    }

    fn init_cdev(&self) -> Got<Outcome> {
        let operations = self.run.with(self.name(1), |value| match value {
            Value::FileOperations(operations) => Some(Arc::clone(operations)),
            _ => None,
        })?;
        let cdev = cdev_init(&self.run.system, operations);
        self.run.set(self.name(0), Value::Cdev(cdev));
        Ok(Outcome::Done)
    }

    fn alloc_region(&self) -> Got<Outcome> {
        let name = self.text(1)?;
        Ok(match alloc_chrdev_region(&self.run.system, &name) {
            Ok(devt) => {
                self.run.set(self.name(0), Value::Devt(devt));
                Outcome::Int(0)
            }
            Err(errno) => Outcome::rc(Err(errno)),
        })
    }

    fn cdev_call(&self) -> Got<Outcome> {
        let cdev = self.run.with(self.name(0), |value| match value {
            Value::Cdev(cdev) => Some(cdev.clone()),
            _ => None,
        })?;
        let device = self.device(1)?;
        Ok(match self.line.op {
            Op::CdevDeviceAdd => Outcome::rc(cdev_device_add(&cdev, &device)),
            _ => done(|| cdev_device_del(&cdev, &device)),
        })
    }

    fn open(&self) -> Got<Outcome> {
        let path = self.text(0)?;
        let flags = match self.line.args.get(1) {
            Some(Arg::Flags(flags)) => OpenFlags(*flags),
            _ => OpenFlags::RDONLY,
        };
        let file = open(&self.run.system, &path, flags);
        Ok(Outcome::or_err(file.map(Value::File)))
    }

    fn file(&self, at: usize) -> Got<OpenFile> {
        self.run.with(self.name(at), |value| match value {
            Value::File(file) => Some(file.clone()),
            _ => None,
        })
    }

    fn open_file_call(&self) -> Got<Outcome> {
        let file = self.file(0)?;
        let result = match self.line.op {
            Op::Read => {
                let mut buffer = vec![0; self.size(1).min(LONGEST_READ)];
                let call = |cancel: &Cancel| file.read_with(&mut buffer, cancel);
                counted(ended(self.run.system.clock(), call))
            }
            Op::Write => {
                let text = self.text(1)?;
                let call = |cancel: &Cancel| file.write_with(text.as_bytes(), cancel);
                counted(ended(self.run.system.clock(), call))
            }
            Op::Ioctl => {
                let cmd = u32::try_from(self.number(1)).unwrap_or(u32::MAX);
                let nowhere = 4096_u64.wrapping_neg();
                let mut caller = Process::new();
                let call = |cancel: &Cancel| file.ioctl_with(cmd, nowhere, &mut caller, cancel);
                ended(self.run.system.clock(), call).map(i64::from)
            }
            _ => Ok(i64::from(file.try_poll(&mut PollTable::now()).0)),
        };
        Ok(Outcome::count(result))
    }

    fn read_attribute(&self) -> Got<Outcome> {
        let (device, path) = (self.device(0)?, self.text(1)?);
        let read = attr_read(&device, &path);
        if let Ok(bytes) = &read {
            let text = String::from_utf8_lossy(bytes);
            self.run
                .recorder
                .line(format_args!("{path} reads \"{}\"", text.trim()));
        }
        Ok(Outcome::count(counted(read.map(|bytes| bytes.len()))))
    }

    /// The module's rfile and wfile: a file of sysfs by its path.
    pub(super) fn path_call(&self) -> Got<Outcome> {
        let path = self.text(0)?;
        let recorder = &self.run.recorder;
        let opened = sysfs_open(&self.run.system, &path);
        let result = if self.line.op == Op::ReadFile {
            let read = opened.and_then(|file| file.read());
            read.map(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                recorder.line(format_args!("{path} reads \"{}\"", text.trim()));
                bytes.len()
            })
        } else {
            if let Err(errno) = &opened {
                let rc = -i64::from(errno.code());
                recorder.line(format_args!("open({path}) = {}", Rc(rc)));
            }
            let text = self.text(1)?;
            opened.and_then(|file| file.write(text.as_bytes()))
        };
        Ok(Outcome::count(counted(result)))
    }

    /// A thread that reads, and the time it takes to be blocked.
    fn start_reader(&self) -> Got<Outcome> {
        let (id, name) = self.new_name();
        let file = self.file(1)?;
        let size = self.size(2).min(LONGEST_READ);
        let ended = Arc::new(Ended::default());
        let cancel = Cancel::new();
        let body = {
            let (name, cancel) = (name.to_owned(), cancel.clone());
            let (recorder, ended) = (Arc::clone(&self.run.recorder), Arc::clone(&ended));
            move || {
                recorder.hold_lines_of(thread::current());
                recorder.line(format_args!("{name} thread: read() starts"));
                let mut buffer = vec![0; size];
                let rc = match counted(file.read_with(&mut buffer, &cancel)) {
                    Ok(n) => n,
                    Err(errno) => -i64::from(errno.code()),
                };
                drop(file);
                recorder.line(format_args!("{name} thread: read() returned {}", Rc(rc)));
                ended.complete();
            }
        };
        let handle = self.run.system.clock().spawn(name, body).ok();
        self.run.set(
            id,
            Value::Thread(ThreadValue {
                handle,
                ended,
                cancel,
            }),
        );
        self.run.threads.lock().push(id);
        self.run.msleep(100);
        Ok(Outcome::Done)
    }

    fn wait_for_thread(&self) -> Got<Outcome> {
        let ended = self.run.with(self.name(0), |value| match value {
            Value::Thread(thread) => Some(Arc::clone(&thread.ended)),
            _ => None,
        })?;
        let ms = u64::try_from(self.number(1)).unwrap_or(0).min(1 << 32);
        let in_time = ended.wait(self.run.system.clock(), Duration::from_millis(ms));
        self.run.recorder.flush_threads();
        Ok(Outcome::Int(i64::from(in_time)))
    }
}

fn counted(result: Result<usize>) -> Result<i64> {
    result.map(|n| i64::try_from(n).unwrap_or(i64::MAX))
}

/// Makes a call that is ended when it would last for ever.
fn ended<T>(clock: &Clock, call: impl FnOnce(&Cancel) -> Result<T>) -> Result<T> {
    let cancel = Cancel::new();
    let late = {
        let cancel = cancel.clone();
        let at = Ktime(clock.now().0.saturating_add(LONGEST_CALL.as_nanos() as u64));
        clock.schedule(at, move || cancel.cancel())
    };
    let result = call(&cancel);
    late.cancel();
    result
}

/// Tells that a thread has ended (`struct completion`).
#[derive(Default)]
pub(crate) struct Ended {
    done: Mutex<bool>,
    queue: WaitQueue,
}

impl Ended {
    fn complete(&self) {
        *self.done.lock() = true;
        self.queue.wake_all();
    }

    fn wait(&self, clock: &Clock, time: Duration) -> bool {
        let deadline = Ktime(clock.now().0.saturating_add(time.as_nanos() as u64));
        let done = || self.done.lock().then_some(());
        wait_event(&[&self.queue], clock, Some(deadline), None, done).is_ok()
    }
}

/// A thread of the scenario.
pub(crate) struct ThreadValue {
    /// None if the system had no thread to give.
    handle: Option<JoinHandle<()>>,
    ended: Arc<Ended>,
    cancel: Cancel,
}

impl Run {
    /// Ends the threads that still run: a signal ends their calls.
    pub(crate) fn end_threads(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for id in threads {
            let Some(Value::Thread(thread)) = self.take(id) else {
                continue;
            };
            thread.cancel.cancel();
            let Some(handle) = thread.handle else {
                continue;
            };
            if thread.ended.wait(self.system.clock(), LONGEST_CALL) {
                // A reader does not panic.
                let _ = handle.join();
            }
            self.recorder.flush_threads();
        }
    }
}

/// `struct file_operations` of a scenario.
pub(crate) type FileOperations = Arc<ScenarioFops>;

/// File operations that run hook bodies.
pub(crate) struct ScenarioFops {
    run: Weak<Run>,
    open: Option<NameId>,
    read: Option<NameId>,
    write: Option<NameId>,
    ioctl: Option<NameId>,
    release: Option<NameId>,
}

impl ScenarioFops {
    /// Runs a hook, if there is one, and gives what it returns.
    fn hook(&self, body: Option<NameId>) -> Option<Result<i64>> {
        let (body, run) = (body?, self.run.upgrade()?);
        let rc = run.body(body, None);
        Some(match i32::try_from(rc) {
            Ok(code) if code < 0 => Err(Errno::from_code(code)),
            _ => Ok(rc),
        })
    }
}

fn over<T>(result: Result<T>) -> Try<T> {
    match result {
        Ok(value) => Try::ok(value),
        Err(errno) => Try::err(errno),
    }
}

impl FileOps for ScenarioFops {
    fn ops(&self) -> OpSet {
        OpSet {
            read: self.read.is_some(),
            write: self.write.is_some(),
            ..OpSet::NONE
        }
    }

    fn open(&self, _: &File) -> Result {
        self.hook(self.open).unwrap_or(Ok(0)).map(|_| ())
    }

    fn release(&self, _: &File) {
        self.hook(self.release);
    }

    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        let most = call.count();
        let result = self.hook(self.read).unwrap_or(Err(Errno::EINVAL));
        over(result.map(|n| usize::try_from(n).unwrap_or(0).min(most)))
    }

    fn write(&self, _: &File, call: &mut Write<'_>) -> Try<usize> {
        let most = call.count();
        let result = self.hook(self.write).unwrap_or(Err(Errno::EINVAL));
        over(result.map(|n| usize::try_from(n).unwrap_or(0).min(most)))
    }

    fn ioctl(&self, _: &File, _: &mut Ioctl<'_>) -> Try<i32> {
        let result = self.hook(self.ioctl).unwrap_or(Err(Errno::ENOTTY));
        over(result.map(|n| i32::try_from(n).unwrap_or(i32::MAX)))
    }
}

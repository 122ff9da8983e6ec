//! What the names of a scenario stand for while it runs.

use core::fmt;

use lastfd_cec::raw::{CecAdapOps, CecAdapter};
use lastfd_chrdev::{Cdev, OpenFile};
use lastfd_drm::raw::{DrmDevice, DrmDriver, DrmEncoder};
use lastfd_iio::raw::{IioBufferSetupOps, IioChannel, IioDev};
use lastfd_model::Errno;
use lastfd_model::raw::{
    Bus, Class, DevMem, DevT, Device, DeviceLink, Devres, Driver, GroupId, NotifierId,
};
use lastfd_sync::Arc;
use lastfd_v4l2::raw::{V4l2Device, VideoDevice};

use crate::calls::{Bridge, FileOperations, ThreadValue};
use crate::record::Rc;

/// What a name stands for.
pub(crate) enum Value {
    Device(Device),
    Bus(Bus, Option<NotifierId>),
    Driver(Driver),
    Class(Class),
    DeviceLink(DeviceLink),
    Devt(DevT),
    Memory(DevMem),
    Devres(Devres),
    Found(Found),
    Group(GroupId),
    Number(i64),
    Cdev(Cdev),
    FileOperations(FileOperations),
    File(OpenFile),
    Thread(ThreadValue),
    Iio(IioDev),
    IioSetupOps(IioBufferSetupOps),
    IioChannel(IioChannel),
    DrmDriver(Arc<DrmDriver>),
    Drm(DrmDevice),
    DrmBridge(Bridge),
    DrmEncoder(DrmEncoder),
    V4l2Device(V4l2Device),
    Video(VideoDevice),
    CecOps(CecAdapOps),
    Cec(CecAdapter),
}

/// What `devres_find` or `devres_get` answered.
#[derive(Clone)]
pub(crate) struct Found {
    /// The word that the found devres carries.
    pub(crate) data: Option<String>,
    /// `devres_get` added the caller's.
    pub(crate) added: bool,
}

/// What a call returned.
pub(crate) enum Outcome {
    /// Nothing.
    Done,
    /// An int.
    Int(i64),
    /// A pointer to something that can be named.
    Ok(Value),
    /// A pointer to something that cannot.
    OkUnnamed,
    /// `NULL`.
    Null,
    /// `ERR_PTR`.
    Err(Errno),
}

impl Outcome {
    pub(crate) fn rc(result: Result<(), Errno>) -> Outcome {
        match result {
            Ok(()) => Outcome::Int(0),
            Err(errno) => Outcome::Int(-i64::from(errno.code())),
        }
    }

    pub(crate) fn count(result: Result<i64, Errno>) -> Outcome {
        match result {
            Ok(n) => Outcome::Int(n),
            Err(errno) => Outcome::Int(-i64::from(errno.code())),
        }
    }

    /// A function that returns NULL when it fails.
    pub(crate) fn or_null<E>(result: Result<Value, E>) -> Outcome {
        match result {
            Ok(value) => Outcome::Ok(value),
            Err(_) => Outcome::Null,
        }
    }

    /// A function that returns `ERR_PTR` when it fails.
    pub(crate) fn or_err(result: Result<Value, Errno>) -> Outcome {
        match result {
            Ok(value) => Outcome::Ok(value),
            Err(errno) => Outcome::Err(errno),
        }
    }
}

/// What a step prints.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done => f.write_str("done"),
            Outcome::Int(rc) => write!(f, "rc={}", Rc(*rc)),
            Outcome::Ok(_) | Outcome::OkUnnamed => f.write_str("ok"),
            Outcome::Null => f.write_str("NULL"),
            Outcome::Err(errno) => write!(f, "err {}", Rc(-i64::from(errno.code()))),
        }
    }
}

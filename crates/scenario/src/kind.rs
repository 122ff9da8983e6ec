//! The kinds of things that names stand for, and what may be asked of them.

use std::fmt;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A `struct device` of the scenario's own, or one found or handed to a body.
    Device,
    /// A `struct platform_device`.
    Platform,
    /// A root device, made by `root_device_register`.
    Root,
    /// A KUnit test device.
    KunitDevice,
    /// A `struct iio_dev`.
    Iio,
    /// A channel that a consumer inside the kernel has: a `struct iio_channel`.
    IioChannel,
    /// A `struct drm_device`: it has no `struct device` of its own.
    Drm,
    /// A `struct drm_driver`.
    DrmDriver,
    /// A `struct drm_bridge`.
    DrmBridge,
    /// A `struct drm_encoder`.
    DrmEncoder,
    /// A `struct v4l2_device`: it has no `struct device` of its own.
    V4l2Device,
    /// A `struct video_device`; its device is there once it is registered.
    Video,
    /// A `struct cec_adapter`; its device is there once it is registered.
    Cec,
    /// A `struct cec_adap_ops`.
    CecOps,
    /// A bus.
    Bus,
    /// A `struct device_driver` of the scenario.
    Driver,
    /// A `struct platform_driver` of the scenario.
    PlatformDriver,
    /// A driver made by `kunit_driver_create`.
    KunitDriver,
    /// A class.
    Class,
    /// A `struct device_link`.
    DeviceLink,
    /// A range of device numbers.
    Devt,
    /// A `struct cdev`.
    Cdev,
    /// A `struct file_operations`.
    FileOperations,
    /// A `struct iio_buffer_setup_ops`.
    IioSetupOps,
    /// An open file.
    File,
    /// A kernel thread of the scenario.
    Thread,
    /// Managed memory.
    Memory,
    /// A devres that the caller holds: allocated or removed.
    Devres,
    /// What `devres_find` or `devres_get` answered.
    Found,
    /// The id of a devres group.
    Group,
    /// A number: what a call returned.
    Number,
    /// A `probe` body.
    Probe,
    /// A `remove` body.
    Remove,
    /// An `action` body.
    Action,
    /// An `each` body, called for each child.
    Each,
    /// A `hook` body: a file operation, or a callback of a framework's.
    Hook,
}

impl Kind {
    /// Whether a value of this kind may stand where a `struct device *` is wanted.
    pub fn is_device(self) -> bool {
        matches!(
            self,
            Kind::Device
                | Kind::Platform
                | Kind::Root
                | Kind::KunitDevice
                | Kind::Iio
                | Kind::Video
                | Kind::Cec
        )
    }

    /// Whether `ref` can print how many references a value of this kind has.
    pub fn is_counted(self) -> bool {
        self.is_device() || matches!(self, Kind::Drm | Kind::V4l2Device)
    }

    /// Whether a value of this kind may stand where a `struct device_driver *` is wanted.
    pub fn is_driver(self) -> bool {
        matches!(
            self,
            Kind::Driver | Kind::PlatformDriver | Kind::KunitDriver
        )
    }

    /// Whether the name is that of a body.
    pub fn is_body(self) -> bool {
        matches!(
            self,
            Kind::Probe | Kind::Remove | Kind::Action | Kind::Each | Kind::Hook
        )
    }

    /// The properties a placeholder may ask of such a name.
    pub fn properties(self) -> &'static [Property] {
        use Property as P;
        match self {
            Kind::Iio => {
                const {
                    &[
                        P::Tag,
                        P::Name,
                        P::Parent,
                        P::Ref,
                        P::Registered,
                        P::Sd,
                        P::Driver,
                        P::DriverSet,
                        P::Drvdata,
                        P::Info,
                    ]
                }
            }
            kind if kind.is_device() => {
                const {
                    &[
                        P::Tag,
                        P::Name,
                        P::Parent,
                        P::Ref,
                        P::Registered,
                        P::Sd,
                        P::Driver,
                        P::DriverSet,
                        P::Drvdata,
                    ]
                }
            }
            Kind::DrmBridge => const { &[P::Late] },
            Kind::DeviceLink => const { &[P::State, P::Flags, P::Kref, P::There, P::Same] },
            Kind::Found => const { &[P::Found, P::Data, P::Which] },
            _ => &[],
        }
    }
}

/// What a placeholder may ask of a name: `{pdev.ref}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Property {
    /// A device's name in the scenario, or its own if it is not tracked.
    Tag,
    /// `dev_name`.
    Name,
    /// `dev_name` of its parent.
    Parent,
    /// Its reference count.
    Ref,
    /// `device_is_registered`: 0 or 1.
    Registered,
    /// Whether its kobject has a directory in sysfs: 0 or 1.
    Sd,
    /// The bound driver's name or `NULL`.
    Driver,
    /// Whether a driver is bound: `set` or `NULL`.
    DriverSet,
    /// Driver data: `set` or `NULL`.
    Drvdata,
    /// Whether an IIO device still has its `info`: `set` or `NULL`.
    Info,
    /// Whether a bridge's memory is freed: words to end a line with, or nothing.
    Late,
    /// A link's state, as in `DL_STATE_ACTIVE`, or `gone`.
    State,
    /// A link's flags, in hexadecimal.
    Flags,
    /// How often a link was added.
    Kref,
    /// Whether a link is there: `present` or `gone`.
    There,
    /// Whether another name stands for the same link: 0 or 1.
    Same,
    /// A find's answer: `found` or `NULL`.
    Found,
    /// The word that the found devres carries.
    Data,
    /// Which devres a `devres_get` gave: `existing` or `new`.
    Which,
}

impl Property {
    /// The word after the dot.
    pub const fn word(self) -> &'static str {
        match self {
            Property::Tag => "tag",
            Property::Name => "name",
            Property::Parent => "parent",
            Property::Ref => "ref",
            Property::Registered => "registered",
            Property::Sd => "sd",
            Property::Driver => "driver",
            Property::DriverSet => "driver_set",
            Property::Drvdata => "drvdata",
            Property::Info => "info",
            Property::Late => "late",
            Property::State => "state",
            Property::Flags => "flags",
            Property::Kref => "kref",
            Property::There => "there",
            Property::Same => "same",
            Property::Found => "found",
            Property::Data => "data",
            Property::Which => "which",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Device => "a device",
            Kind::Platform => "a platform device",
            Kind::Root => "a root device",
            Kind::KunitDevice => "a KUnit device",
            Kind::Iio => "an IIO device",
            Kind::IioChannel => "an IIO channel",
            Kind::Drm => "a DRM device",
            Kind::DrmDriver => "a DRM driver",
            Kind::DrmBridge => "a DRM bridge",
            Kind::DrmEncoder => "a DRM encoder",
            Kind::V4l2Device => "a V4L2 device",
            Kind::Video => "a video device",
            Kind::Cec => "a CEC adapter",
            Kind::CecOps => "CEC adapter operations",
            Kind::Bus => "a bus",
            Kind::Driver => "a driver",
            Kind::PlatformDriver => "a platform driver",
            Kind::KunitDriver => "a KUnit driver",
            Kind::Class => "a class",
            Kind::DeviceLink => "a device link",
            Kind::Devt => "a device number",
            Kind::Cdev => "a cdev",
            Kind::FileOperations => "file operations",
            Kind::IioSetupOps => "buffer setup operations",
            Kind::File => "an open file",
            Kind::Thread => "a thread",
            Kind::Memory => "managed memory",
            Kind::Devres => "a devres",
            Kind::Found => "a found devres",
            Kind::Group => "a devres group",
            Kind::Number => "a number",
            Kind::Probe => "a probe body",
            Kind::Remove => "a remove body",
            Kind::Action => "an action body",
            Kind::Each => "an each body",
            Kind::Hook => "a hook body",
        })
    }
}

//! The directories a served program sees, and what is in each of them.
//!
//! Nothing is kept here: a directory is a question to the model, asked anew at each
//! look-up, so that what a program sees is what there is.

use core::fmt::Write as _;

use lastfd_model::System;
use lastfd_model::raw::{
    AttrInfo, Bus, Class, DevNode, Device, Directory, Driver, HasAttributes, attributes,
    debugfs_open, debugfs_paths,
};
use lastfd_sync::Arc;

/// A directory of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// `/sys`.
    Sys,
    /// `/sys/bus`.
    Buses,
    /// `/sys/bus/BUS`.
    Bus(Bus),
    /// `/sys/bus/BUS/devices`.
    BusDevices(Bus),
    /// `/sys/bus/BUS/drivers`.
    BusDrivers(Bus),
    /// `/sys/bus/BUS/drivers/DRIVER`.
    Driver(Driver),
    /// `/sys/class`.
    Classes,
    /// `/sys/class/CLASS`.
    Class(Class),
    /// `/sys/dev`.
    Numbers,
    /// `/sys/dev/char`.
    CharNumbers,
    /// `/sys/devices`.
    Devices,
    /// `/sys/devices/virtual`.
    Virtual,
    /// `/sys/devices/virtual/CLASS`.
    VirtualClass(Class),
    /// The directory of a device.
    Device(Device),
    /// A class's directory below a device.
    Glue(Device, Class),
    /// A directory of attributes below a device.
    Group(Device, Arc<str>),
    /// `/sys/kernel`.
    Kernel,
    /// `/sys/kernel/debug` or a directory below it, which this is the path to.
    Debug(Arc<str>),
    /// A directory with nothing in it, whose path this is.
    Empty(&'static str),
    /// `/dev` or a directory below it, which this is the path to.
    Dev(Arc<str>),
    /// `/run/udev` or a directory below it, which this is the path to.
    Run(Arc<str>),
}

/// What a name in a directory leads to.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Directory(Place),
    /// A symbolic link, relative to the directory it is in.
    Link(String),
    Node(DevNode),
    Attribute(Source, u16),
    Data(Arc<[u8]>, u16),
}

/// Whose attribute it is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A device's, by its path below the device's directory.
    Device(Device, Arc<str>),
    /// A bus's, by its name.
    Bus(Bus, Arc<str>),
    /// A driver's, by its name.
    Driver(Driver, Arc<str>),
    /// A file of debugfs, by its path.
    Debugfs(Arc<str>),
}

/// Names in `/sys` that are ours besides what has a place of its own, and empty.
const EMPTY: &[&str] = &["block", "module"];

/// What udev adds to `/dev` and writes below `/run/udev`.
pub(crate) trait Udev {
    /// The links below `/dev`: name, and where it leads.
    fn link(&self, name: &str) -> Option<String>;
    /// All of them, in order.
    fn links(&self) -> Vec<(String, String)>;
    /// A file below `/run/udev`.
    fn file(&self, path: &str) -> Option<Arc<[u8]>>;
    /// The paths of all of them, in order.
    fn files(&self) -> Vec<String>;
    /// The permission bits of a node, where udev changed them.
    fn mode(&self, node: &DevNode) -> u16;
}

/// A directory's path and the questions it can be asked.
pub(crate) struct Look<'a> {
    pub(crate) system: &'a System,
    pub(crate) udev: &'a dyn Udev,
}

impl Place {
    /// Its path, without a slash at the end. None for a device that is in no
    /// directory any more.
    pub(crate) fn path(&self) -> Option<String> {
        Some(match self {
            Place::Sys => "/sys".to_owned(),
            Place::Buses => "/sys/bus".to_owned(),
            Place::Bus(bus) => format!("/sys/bus/{}", bus.name()),
            Place::BusDevices(bus) => format!("/sys/bus/{}/devices", bus.name()),
            Place::BusDrivers(bus) => format!("/sys/bus/{}/drivers", bus.name()),
            Place::Driver(driver) => driver_path(driver),
            Place::Classes => "/sys/class".to_owned(),
            Place::Class(class) => format!("/sys/class/{}", class.name()),
            Place::Numbers => "/sys/dev".to_owned(),
            Place::CharNumbers => "/sys/dev/char".to_owned(),
            Place::Devices => "/sys/devices".to_owned(),
            Place::Virtual => "/sys/devices/virtual".to_owned(),
            Place::VirtualClass(class) => format!("/sys/devices/virtual/{}", class.name()),
            Place::Device(device) => device_path(device)?,
            Place::Glue(device, class) => format!("{}/{}", device_path(device)?, class.name()),
            Place::Group(device, group) => format!("{}/{group}", device_path(device)?),
            Place::Kernel => "/sys/kernel".to_owned(),
            Place::Debug(path) => below("/sys/kernel/debug", path),
            Place::Empty(path) => (*path).to_owned(),
            Place::Dev(path) => below("/dev", path),
            Place::Run(path) => below("/run/udev", path),
        })
    }
}

fn below(top: &str, path: &str) -> String {
    match path {
        "" => top.to_owned(),
        _ => format!("{top}/{path}"),
    }
}

fn driver_path(driver: &Driver) -> String {
    format!("/sys/bus/{}/drivers/{}", driver.bus().name(), driver.name())
}

/// The path of a device's directory, if it has one.
pub(crate) fn device_path(device: &Device) -> Option<String> {
    device
        .has_directory()
        .then(|| format!("/sys{}", device.path()))
}

/// The way from a directory to another path: up to where the directory shares the way
/// with what is above the other, then down (fs/kernfs/symlink.c: kernfs_get_target_path).
fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').collect();
    let to: Vec<&str> = to.split('/').collect();
    let above = &to[..to.len() - 1];
    let shared = from.iter().zip(above).take_while(|(a, b)| a == b).count();
    let mut link = String::new();
    for _ in shared..from.len() {
        link.push_str("../");
    }
    let _ = write!(link, "{}", to[shared..].join("/"));
    link
}

impl Look<'_> {
    /// What the name leads to in this directory.
    pub(crate) fn find(&self, place: &Place, name: &str) -> Option<Item> {
        match place {
            Place::Buses => self
                .system
                .find_bus(name)
                .map(Place::Bus)
                .map(Item::Directory),
            Place::Classes => {
                let class = self.system.find_class(name);
                class.map(Place::Class).map(Item::Directory)
            }
            Place::Dev(at) => self.find_dev(at, name),
            Place::Run(at) => self.find_run(at, name),
            // The others are short, or have to be walked in any case.
            _ => {
                let mut items = self.list(place).into_iter();
                items.find_map(|(found, item)| (found == name).then_some(item))
            }
        }
    }

    /// All that is in this directory.
    pub(crate) fn list(&self, place: &Place) -> Vec<(String, Item)> {
        match place {
            Place::Sys => self.sys(),
            Place::Buses => {
                let buses = self.system.buses().into_iter();
                buses
                    .map(|bus| directory(&bus.name(), Place::Bus(bus.clone())))
                    .collect()
            }
            Place::Bus(bus) => {
                let mut items = files(bus, |name| Source::Bus(bus.clone(), name));
                items.push(directory("devices", Place::BusDevices(bus.clone())));
                items.push(directory("drivers", Place::BusDrivers(bus.clone())));
                sorted(items)
            }
            Place::BusDevices(bus) => self.links_to_devices(place, &bus.devices()),
            Place::BusDrivers(bus) => {
                let drivers = bus.drivers().into_iter();
                drivers
                    .map(|d| directory(&d.name(), Place::Driver(d.clone())))
                    .collect()
            }
            Place::Driver(driver) => {
                let mut items = files(driver, |name| Source::Driver(driver.clone(), name));
                items.extend(self.links_to_devices(place, &driver.devices()));
                sorted(items)
            }
            Place::Classes => {
                let classes = self.system.classes().into_iter();
                classes
                    .map(|c| directory(&c.name(), Place::Class(c.clone())))
                    .collect()
            }
            Place::Class(class) => {
                let devices = self.devices_where(|device| device.class().as_ref() == Some(class));
                self.links_to_devices(place, &devices)
            }
            Place::Numbers => vec![
                directory("block", Place::Empty("/sys/dev/block")),
                directory("char", Place::CharNumbers),
            ],
            Place::CharNumbers => {
                let devices = self.system.devices().into_iter();
                devices
                    .filter_map(|device| {
                        let devt = device.devt().filter(|devt| devt.major != 0)?;
                        let link = relative("/sys/dev/char", &device_path(&device)?);
                        Some((devt.to_string(), Item::Link(link)))
                    })
                    .collect()
            }
            Place::Devices => self.top(),
            Place::Virtual => {
                let classes = self.system.classes().into_iter();
                classes
                    .filter(|class| self.is_in_use(&Directory::Virtual(class.clone())))
                    .map(|class| directory(&class.name(), Place::VirtualClass(class.clone())))
                    .collect()
            }
            Place::VirtualClass(class) => self.devices_in(&Directory::Virtual(class.clone())),
            Place::Device(device) => self.device(device),
            Place::Glue(device, class) => {
                self.devices_in(&Directory::Glue(device.clone(), class.clone()))
            }
            Place::Group(device, group) => {
                let inside = |path: &Arc<str>| {
                    let rest = path.strip_prefix(&**group)?.strip_prefix('/')?;
                    Some(rest.to_owned())
                };
                attributes(device)
                    .into_iter()
                    .filter_map(|info| {
                        let name = inside(&info.path)?;
                        let source = Source::Device(device.clone(), info.path);
                        Some((name, Item::Attribute(source, info.mode)))
                    })
                    .collect()
            }
            Place::Kernel => vec![directory("debug", Place::Debug(Arc::from("")))],
            Place::Debug(at) => self.debugfs(at),
            Place::Empty(_) => Vec::new(),
            Place::Dev(at) => self.dev(at),
            Place::Run(at) => self.run(at),
        }
    }

    fn sys(&self) -> Vec<(String, Item)> {
        let mut items = vec![
            directory("bus", Place::Buses),
            directory("class", Place::Classes),
            directory("dev", Place::Numbers),
            directory("devices", Place::Devices),
            directory("kernel", Place::Kernel),
        ];
        items.extend(EMPTY.iter().map(|name| match *name {
            "block" => directory(name, Place::Empty("/sys/block")),
            _ => directory(name, Place::Empty("/sys/module")),
        }));
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items
    }

    fn devices_where(&self, wanted: impl Fn(&Device) -> bool) -> Vec<Device> {
        let mut devices = self.system.devices();
        devices.retain(wanted);
        devices
    }

    fn is_in_use(&self, directory: &Directory) -> bool {
        let mut devices = self.system.devices().into_iter();
        devices.any(|device| device.directory().as_ref() == Some(directory))
    }

    /// The directories of devices in a directory.
    fn devices_in(&self, inside: &Directory) -> Vec<(String, Item)> {
        let devices = self.devices_where(|device| device.directory().as_ref() == Some(inside));
        let items = devices.into_iter();
        items
            .map(|device| directory(&device.name(), Place::Device(device.clone())))
            .collect()
    }

    fn links_to_devices(&self, from: &Place, devices: &[Device]) -> Vec<(String, Item)> {
        let Some(from) = from.path() else {
            return Vec::new();
        };
        let link = |device: &Device| {
            let path = device_path(device)?;
            Some((
                device.name().to_string(),
                Item::Link(relative(&from, &path)),
            ))
        };
        devices.iter().filter_map(link).collect()
    }

    fn top(&self) -> Vec<(String, Item)> {
        let mut items = self.devices_in(&Directory::Top);
        if !items.iter().any(|(name, _)| name == "virtual") {
            items.push(directory("virtual", Place::Virtual));
        }
        items
    }

    /// drivers/base/core.c: device_add_class_symlinks; bus.c: bus_add_device;
    /// dd.c: driver_sysfs_add.
    fn device(&self, device: &Device) -> Vec<(String, Item)> {
        let Some(path) = device_path(device) else {
            return Vec::new();
        };
        let mut items: Vec<(String, Item)> = Vec::new();
        let link = |to: String| Item::Link(relative(&path, &to));
        let class = device.class();
        let bus = device.bus();
        let subsystem = class
            .as_ref()
            .map(|class| format!("/sys/class/{}", class.name()));
        let subsystem = subsystem.or_else(|| Some(format!("/sys/bus/{}", bus?.name())));
        if let Some(subsystem) = subsystem {
            items.push(("subsystem".to_owned(), link(subsystem)));
        }
        let parent = device.parent().filter(|_| class.is_some());
        if let Some(parent) = parent.and_then(|parent| device_path(&parent)) {
            items.push(("device".to_owned(), link(parent)));
        }
        if let Some(driver) = device.driver() {
            items.push(("driver".to_owned(), link(driver_path(&driver))));
        }
        for other in self.system.devices() {
            match other.directory() {
                Some(Directory::Parent(parent)) if parent == *device => {
                    items.push(directory(&other.name(), Place::Device(other.clone())));
                }
                Some(Directory::Glue(parent, class)) if parent == *device => {
                    items.push(directory(&class.name(), Place::Glue(parent, class.clone())));
                }
                _ => {}
            }
        }
        for info in attributes(device) {
            match info.path.split_once('/') {
                Some((group, _)) => {
                    let group = Arc::<str>::from(group);
                    items.push(directory(
                        &group,
                        Place::Group(device.clone(), Arc::clone(&group)),
                    ));
                }
                None => {
                    let name = info.path.to_string();
                    let source = Source::Device(device.clone(), info.path);
                    items.push((name, Item::Attribute(source, info.mode)));
                }
            }
        }
        sorted(items)
    }

    fn debugfs(&self, at: &str) -> Vec<(String, Item)> {
        let paths = debugfs_paths(self.system);
        children(
            at,
            paths.iter().map(|path| &**path),
            |path| {
                let mode = debugfs_open(self.system, path).ok()?.mode();
                Some(Item::Attribute(Source::Debugfs(Arc::from(path)), mode))
            },
            Place::Debug,
        )
    }

    fn find_dev(&self, at: &str, name: &str) -> Option<Item> {
        let path = join(at, name);
        if let Some(mut node) = self.system.dev_node(&path) {
            node.mode = self.udev.mode(&node);
            return Some(Item::Node(node));
        }
        if let Some(target) = self.udev.link(&path) {
            return Some(Item::Link(target));
        }
        self.dev(at)
            .into_iter()
            .find_map(|(found, item)| (found == name).then_some(item))
    }

    fn dev(&self, at: &str) -> Vec<(String, Item)> {
        let nodes = self.system.dev_nodes();
        let links = self.udev.links();
        let names = nodes.iter().map(|node| &*node.name);
        let names = names.chain(links.iter().map(|(name, _)| name.as_str()));
        children(
            at,
            names,
            |path| {
                if let Some(node) = nodes.iter().find(|node| &*node.name == path) {
                    let mode = self.udev.mode(node);
                    return Some(Item::Node(DevNode {
                        mode,
                        ..node.clone()
                    }));
                }
                let (_, target) = links.iter().find(|(name, _)| name == path)?;
                Some(Item::Link(target.clone()))
            },
            Place::Dev,
        )
    }

    fn find_run(&self, at: &str, name: &str) -> Option<Item> {
        match self.udev.file(&join(at, name)) {
            Some(bytes) => Some(Item::Data(bytes, 0o644)),
            None => self
                .run(at)
                .into_iter()
                .find_map(|(found, item)| (found == name).then_some(item)),
        }
    }

    fn run(&self, at: &str) -> Vec<(String, Item)> {
        let files = self.udev.files();
        let mut items = children(
            at,
            files.iter().map(String::as_str),
            |path| Some(Item::Data(self.udev.file(path)?, 0o644)),
            Place::Run,
        );
        if at.is_empty() {
            for name in ["data", "tags"] {
                items.push(directory(name, Place::Run(Arc::from(name))));
            }
        }
        sorted(items)
    }
}

/// The attributes of a bus or a driver.
fn files<T: HasAttributes>(owner: &T, source: impl Fn(Arc<str>) -> Source) -> Vec<(String, Item)> {
    let item = |info: AttrInfo| {
        let name = info.path.to_string();
        (name, Item::Attribute(source(info.path), info.mode))
    };
    attributes(owner).into_iter().map(item).collect()
}

fn join(at: &str, name: &str) -> String {
    match at {
        "" => name.to_owned(),
        _ => format!("{at}/{name}"),
    }
}

fn directory(name: &str, place: Place) -> (String, Item) {
    (name.to_owned(), Item::Directory(place))
}

/// By name, each once: the first of a name stays.
fn sorted(mut items: Vec<(String, Item)>) -> Vec<(String, Item)> {
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items.dedup_by(|a, b| a.0 == b.0);
    items
}

/// What lies in the directory `at` of a tree that is known by the paths of its files.
fn children<'a>(
    at: &str,
    paths: impl Iterator<Item = &'a str>,
    file: impl Fn(&str) -> Option<Item>,
    place: impl Fn(Arc<str>) -> Place,
) -> Vec<(String, Item)> {
    let mut items = Vec::new();
    for path in paths {
        let rest = match at {
            "" => Some(path),
            _ => path
                .strip_prefix(at)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        match rest.map(|rest| {
            rest.split_once('/')
                .map_or((rest, false), |(name, _)| (name, true))
        }) {
            None => {}
            Some((name, true)) => {
                items.push(directory(name, place(Arc::from(join(at, name)))));
            }
            Some((name, false)) => {
                items.extend(file(path).map(|item| (name.to_owned(), item)));
            }
        }
    }
    sorted(items)
}

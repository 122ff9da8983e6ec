//! Makes scenarios up: deep nests of devices, managed resources and drivers, whose
//! order of going is what the two sides are to agree on.
//!
//! What is made up is meant to be valid: nothing is used that is statically known to be
//! gone, and the scenario ends by taking apart what it put together. Where that cannot
//! be known beforehand, [`crate::fuzz`] asks lastfd first, and does not ask a kernel to
//! do what would crash it (`docs/oracle.md` lists that).

mod bodies;
mod frameworks;

use std::fmt::Write as _;

use crate::dice::Dice;

/// The text of a scenario of this name.
///
/// The same seed and number make the same text.
pub fn generate(name: &str, seed: u64, number: u64) -> String {
    let mut maker = Maker::new(Dice::new(seed, number));
    maker.declare();
    let steps = 6 + maker.dice.below(26);
    for _ in 0..steps {
        maker.step();
    }
    maker.take_apart();
    let mut text = format!("scenario {name}\n\n");
    for line in maker.bodies.iter().chain(&maker.lines) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// What is known of a device beforehand.
struct Dev {
    name: String,
    kind: DevKind,
    state: DevState,
    /// References that the scenario itself holds.
    held: u32,
    /// Groups that were opened on it and not closed.
    open_groups: Vec<String>,
    /// An action of another device unregisters it.
    owned: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DevKind {
    Root,
    Platform,
    /// On a bus of the scenario's, or on none.
    Plain {
        on_bus: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DevState {
    Declared,
    Added,
    Gone,
}

impl Dev {
    /// Whether calls may be made with it.
    fn usable(&self) -> bool {
        self.state != DevState::Gone || self.held > 0
    }
}

struct Drv {
    name: String,
    platform: bool,
    registered: bool,
    /// The framework that its probe registers a device of.
    framework: Option<Framework>,
    /// What its platform devices are called, if there may be only one: its bodies
    /// have a name for one of each thing they make.
    only: Option<String>,
    /// That one was made.
    taken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framework {
    Iio,
    Drm,
    V4l2,
    Cec,
}

/// A node of a framework that may be there, and its open file.
struct Node {
    /// As a path with a placeholder.
    path: String,
    framework: Framework,
    /// What the framework calls its device.
    object: String,
    /// The open files of it that are not closed.
    files: Vec<String>,
}

struct Maker {
    dice: Dice,
    bodies: Vec<String>,
    lines: Vec<String>,
    devices: Vec<Dev>,
    drivers: Vec<Drv>,
    nodes: Vec<Node>,
    /// What a framework's own reference is held on: how it is put.
    framework_refs: Vec<String>,
    /// Links that were made without flags that a kernel takes them away by.
    links: Vec<String>,
    bus: bool,
    /// Work goes on behind the scenario's back: links are taken down, probes are
    /// deferred. When that happens depends on who waits, so there are no framework
    /// devices, whose calls wait, and nearly every step is followed by a wait.
    behind: bool,
    /// For names that nothing else has.
    count: u32,
}

/// Names that platform devices and drivers find each other by.
const MATCHES: &[&str] = &["lf-a", "lf-b", "lf-c"];

impl Maker {
    fn new(dice: Dice) -> Maker {
        Maker {
            dice,
            bodies: Vec::new(),
            lines: Vec::new(),
            devices: Vec::new(),
            drivers: Vec::new(),
            nodes: Vec::new(),
            framework_refs: Vec::new(),
            links: Vec::new(),
            bus: false,
            behind: false,
            count: 0,
        }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}{}", self.count)
    }

    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// A step most of the time, for what it returns.
    fn call(&mut self, call: &str) {
        let step = if self.dice.percent(85) { "> " } else { "" };
        self.line(format!("{step}{call}"));
    }

    /// Buses, drivers and their bodies.
    fn declare(&mut self) {
        self.behind = self.dice.percent(35);
        if self.dice.percent(45) {
            self.bus = true;
            let rule = *self
                .dice
                .pick(&["prefix", "any", "prefix"])
                .unwrap_or(&"any");
            self.line(format!("bus lf_bus \"lfbus\" match={rule}"));
            self.line("> bus_register lf_bus");
            self.line("bus_register_notifier lf_bus");
        }
        let drivers = 1 + self.dice.below(3);
        for at in 0..drivers {
            let platform = !self.bus || self.dice.percent(60);
            self.declare_driver(at, platform);
        }
        // What the drivers with names of their own want is there more often than not.
        for _ in 0..self.drivers.len() {
            let waiting = self.drivers.iter().any(|d| d.only.is_some() && !d.taken);
            if waiting && self.dice.percent(75) {
                self.new_platform_device();
            }
        }
    }

    fn declare_driver(&mut self, at: usize, platform: bool) {
        let name = self.fresh("drv");
        let framework = match platform && !self.behind && self.dice.percent(65) {
            true => Some(self.dice.weighted(&[
                (3, Framework::Iio),
                (3, Framework::Drm),
                (2, Framework::V4l2),
                (2, Framework::Cec),
            ])),
            false => None,
        };
        let child = platform && framework.is_none() && self.dice.percent(25);
        let (probe, remove) = self.driver_bodies(&name, framework, child);
        let mut keywords = String::new();
        if let Some(probe) = probe {
            let _ = write!(keywords, " probe={probe}");
        }
        if let Some(remove) = remove {
            let _ = write!(keywords, " remove={remove}");
        }
        let only = (framework.is_some() || child).then(|| format!("lf-only{at}"));
        if platform {
            let matches = match &only {
                Some(only) => only,
                None => MATCHES[at % MATCHES.len()],
            };
            self.line(format!("platform_driver {name} \"{matches}\"{keywords}"));
        } else {
            let text = *self.dice.pick(&["x", "x1", "Z", "y"]).unwrap_or(&"x");
            self.line(format!("driver {name} \"{text}{at}\" bus=lf_bus{keywords}"));
        }
        let registered = self.dice.percent(if only.is_some() { 85 } else { 60 });
        if registered {
            self.register_driver(&name, platform);
        }
        self.drivers.push(Drv {
            name,
            platform,
            registered,
            framework,
            only,
            taken: false,
        });
    }

    fn register_driver(&mut self, name: &str, platform: bool) {
        let call = if platform {
            "platform_driver_register"
        } else {
            "driver_register"
        };
        self.call(&format!("{call} {name}"));
    }

    fn unregister_driver(&mut self, name: &str, platform: bool) {
        let call = if platform {
            "platform_driver_unregister"
        } else {
            "driver_unregister"
        };
        self.call(&format!("{call} {name}"));
    }

    /// One thing that happens.
    fn step(&mut self) {
        type Happens = fn(&mut Maker);
        let happens: Happens = self.dice.weighted::<Happens>(&[
            (14, Maker::new_device),
            (10, Maker::add_device),
            (22, Maker::manage),
            (8, Maker::hold),
            (8, Maker::put),
            (8, Maker::remove_device),
            (10, Maker::bind_or_unbind),
            (6, Maker::driver_comes_or_goes),
            (4, Maker::probe_result),
            (5, Maker::look),
            (3, Maker::children),
            (3, Maker::move_or_rename),
            (3, Maker::failing_allocation),
            (10, Maker::use_node),
            (4, Maker::hold_framework),
            (2, Maker::sysfs),
            (if self.behind { 14 } else { 0 }, Maker::link),
            (if self.behind { 3 } else { 0 }, Maker::unlink),
            (2, Maker::settle),
        ]);
        happens(self);
        self.work_behind();
    }

    fn settle(&mut self) {
        self.line("settle");
    }

    /// Lets what goes on behind the scenario's back come to its end.
    fn work_behind(&mut self) {
        if self.behind {
            self.line("settle");
        }
    }

    /// Where a device that calls may be made with is.
    fn some_device(&mut self, fits: impl Fn(&Dev) -> bool) -> Option<usize> {
        let usable: Vec<usize> = (0..self.devices.len())
            .filter(|at| self.devices[*at].usable() && fits(&self.devices[*at]))
            .collect();
        self.dice.pick(&usable).copied()
    }

    /// A parent for a new device: any that was added and is there, or none.
    fn parent(&mut self) -> String {
        if self.dice.percent(45) {
            return String::new();
        }
        match self.some_device(|d| d.state == DevState::Added) {
            Some(at) => format!(" parent={}", self.devices[at].name),
            None => String::new(),
        }
    }

    fn new_device(&mut self) {
        if self.devices.iter().filter(|d| d.usable()).count() >= 5 {
            return;
        }
        let kind = self.dice.weighted(&[
            (2, DevKind::Root),
            (5, DevKind::Platform),
            (2, DevKind::Plain { on_bus: false }),
            (3, DevKind::Plain { on_bus: true }),
        ]);
        let kind = match kind {
            DevKind::Plain { on_bus } => DevKind::Plain {
                on_bus: on_bus && self.bus,
            },
            kind => kind,
        };
        let name = self.fresh("dev");
        let mut state = DevState::Declared;
        match kind {
            DevKind::Root => {
                self.line(format!("> {name} = root_device_register \"lf-{name}\""));
                self.line(format!("track {name}"));
                state = DevState::Added;
            }
            DevKind::Platform => return self.new_platform_device(),
            DevKind::Plain { on_bus } => {
                let bus = if on_bus { " bus=lf_bus" } else { "" };
                let letter = *self.dice.pick(&["x", "y"]).unwrap_or(&"x");
                let parent = self.parent();
                let count = self.count;
                self.line(format!(
                    "device {name} name=\"lf-{letter}1-{count}\"{parent}{bus}"
                ));
            }
        }
        self.declared(name, kind, state);
    }

    fn new_platform_device(&mut self) {
        let name = self.fresh("dev");
        let matches = self.wanted();
        let (id, parent) = (self.count, self.parent());
        self.line(format!("platform_device {name} \"{matches}\" {id}{parent}"));
        self.declared(name, DevKind::Platform, DevState::Declared);
    }

    fn declared(&mut self, name: String, kind: DevKind, state: DevState) {
        self.devices.push(Dev {
            name,
            kind,
            state,
            held: 0,
            open_groups: Vec::new(),
            owned: false,
        });
        if self.dice.percent(70) {
            self.add(self.devices.len() - 1);
        }
    }

    /// The name of a platform device that a driver may want.
    fn wanted(&mut self) -> String {
        let only = self
            .drivers
            .iter_mut()
            .find(|d| d.only.is_some() && !d.taken);
        if let Some(driver) = only
            && self.dice.percent(70)
        {
            driver.taken = true;
            return driver.only.clone().unwrap_or_default();
        }
        (*self.dice.pick(MATCHES).unwrap_or(&"lf-a")).to_owned()
    }

    fn add(&mut self, at: usize) {
        let device = &mut self.devices[at];
        if device.state != DevState::Declared {
            return;
        }
        device.state = DevState::Added;
        let call = match device.kind {
            DevKind::Platform => format!("platform_device_add {}", device.name),
            _ => format!("device_add {}", device.name),
        };
        self.call(&call);
    }

    fn add_device(&mut self) {
        if let Some(at) = self.some_device(|d| d.state == DevState::Declared) {
            self.add(at);
        }
    }

    fn hold(&mut self) {
        if let Some(at) = self.some_device(|d| d.state == DevState::Added || d.held > 0) {
            self.devices[at].held += 1;
            let name = self.devices[at].name.clone();
            self.call(&format!("get_device {name}"));
        }
    }

    fn put(&mut self) {
        if let Some(at) = self.some_device(|d| d.held > 0) {
            self.devices[at].held -= 1;
            let name = self.devices[at].name.clone();
            self.call(&format!("put_device {name}"));
            self.line(format!("ref {name}"));
        }
    }

    fn remove_device(&mut self) {
        if let Some(at) = self.some_device(|d| d.state == DevState::Added && !d.owned) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) {
        let device = &mut self.devices[at];
        let name = device.name.clone();
        let call = match (device.kind, device.state) {
            (_, DevState::Gone) => return,
            (DevKind::Root, _) => "root_device_unregister",
            (DevKind::Platform, DevState::Declared) => "platform_device_put",
            (DevKind::Platform, DevState::Added) => "platform_device_unregister",
            (DevKind::Plain { .. }, DevState::Declared) => "put_device",
            (DevKind::Plain { .. }, DevState::Added) => "device_unregister",
        };
        device.state = DevState::Gone;
        self.call(&format!("{call} {name}"));
        self.work_behind();
        self.line(format!("ref {name}"));
    }

    fn look(&mut self) {
        if let Some(device) = self.dice.pick(&self.devices) {
            let what = if self.dice.percent(50) {
                "ref"
            } else {
                "bound"
            };
            let line = format!("{what} {}", device.name);
            self.line(line);
        }
    }

    fn bind_or_unbind(&mut self) {
        let Some(at) = self.some_device(|d| d.state == DevState::Added) else {
            return;
        };
        let name = self.devices[at].name.clone();
        let platform = self.devices[at].kind == DevKind::Platform;
        let on_bus = self.devices[at].kind == DevKind::Plain { on_bus: true };
        let drivers: Vec<String> = self
            .drivers
            .iter()
            .filter(|d| d.registered && (d.platform && platform || !d.platform && on_bus))
            .map(|d| d.name.clone())
            .collect();
        let driver = self.dice.pick(&drivers).cloned();
        // The bodies of a driver with a name of its own are for one device only.
        let only = |name: &String| {
            let mut named = self.drivers.iter().filter(|d| d.name == *name);
            named.any(|d| d.only.is_some())
        };
        let any = driver.clone().filter(|name| !only(name));
        if !platform && !on_bus {
            return;
        }
        let call = match (self.dice.below(10), driver, any) {
            (0..5, ..) => format!("device_release_driver {name}"),
            (5..7, ..) => format!("device_attach {name}"),
            (7, Some(driver), _) => format!("driver_attach {driver}"),
            (8, _, Some(driver)) => format!("device_driver_attach {driver} {name}"),
            _ => format!("device_reprobe {name}"),
        };
        self.call(&call);
        self.line(format!("bound {name}"));
    }

    fn driver_comes_or_goes(&mut self) {
        let at = self.dice.below(self.drivers.len());
        let (name, platform) = (self.drivers[at].name.clone(), self.drivers[at].platform);
        if self.drivers[at].registered {
            self.unregister_driver(&name, platform);
        } else {
            self.register_driver(&name, platform);
        }
        self.drivers[at].registered = !self.drivers[at].registered;
    }

    fn probe_result(&mut self) {
        let at = self.dice.below(self.drivers.len());
        // What a framework registered in a probe that then fails is a bug of the driver.
        if self.drivers[at].framework.is_some() {
            return;
        }
        let values = ["0", "0", "-ENODEV", "-EINVAL", "-ENXIO", "-EPROBE_DEFER"];
        let spared = usize::from(!self.behind);
        let value = self.dice.pick(&values[..values.len() - spared]);
        let value = *value.unwrap_or(&"0");
        let line = format!("probe_returns {} {value}", self.drivers[at].name);
        self.line(line);
    }

    /// One device depends on another from here on.
    fn link(&mut self) {
        let added = |d: &Dev| d.state == DevState::Added;
        let (Some(consumer), Some(supplier)) = (self.some_device(added), self.some_device(added))
        else {
            return;
        };
        let flags = self.dice.weighted(&[
            (3, "0"),
            (2, "DL_FLAG_STATELESS"),
            (3, "DL_FLAG_AUTOREMOVE_CONSUMER"),
            (3, "DL_FLAG_AUTOREMOVE_SUPPLIER"),
            (3, "DL_FLAG_AUTOPROBE_CONSUMER"),
            (1, "DL_FLAG_STATELESS|DL_FLAG_AUTOREMOVE_CONSUMER"),
        ]);
        let link = self.fresh("link");
        let (consumer, supplier) = (
            self.devices[consumer].name.clone(),
            self.devices[supplier].name.clone(),
        );
        self.line(format!(
            "> {link} = device_link_add {consumer} {supplier} {flags}"
        ));
        self.line(format!("print \"{{{link}.state}}\""));
        if flags == "DL_FLAG_STATELESS" {
            self.links.push(link);
        }
    }

    fn unlink(&mut self) {
        if let Some(link) = self.links.pop() {
            self.call(&format!("device_link_del {link}"));
        }
    }

    fn children(&mut self) {
        let Some(at) = self.some_device(|d| d.state == DevState::Added) else {
            return;
        };
        let each = self.each_body();
        let reverse = if self.dice.percent(50) {
            "_reverse"
        } else {
            ""
        };
        let name = self.devices[at].name.clone();
        self.line(format!("> device_for_each_child{reverse} {name} {each}"));
    }

    fn move_or_rename(&mut self) {
        let plain = |d: &Dev| d.state == DevState::Added && matches!(d.kind, DevKind::Plain { .. });
        let Some(at) = self.some_device(plain) else {
            return;
        };
        let name = self.devices[at].name.clone();
        if self.dice.percent(40) {
            let new = self.fresh("lf-x1-r");
            self.line(format!("> device_rename {name} \"{new}\""));
            self.line(format!("print \"now {{{name}.name}}\""));
            return;
        }
        // A device is not moved below itself, nor below what is below it: roots only.
        let parent =
            match self.some_device(|d| d.kind == DevKind::Root && d.state == DevState::Added) {
                Some(parent) => self.devices[parent].name.clone(),
                None => "NULL".to_owned(),
            };
        self.line(format!("> device_move {name} {parent}"));
        self.line(format!("print \"below {{{name}.parent}}\""));
    }

    fn sysfs(&mut self) {
        let Some(at) = self.some_device(|d| d.state != DevState::Declared) else {
            return;
        };
        let name = self.devices[at].name.clone();
        match self.dice.below(3) {
            0 => self.line(format!("> sysfs_write {name} \"uevent\" \"add\"")),
            1 => self.line(format!("> sysfs_write {name} \"uevent\" \"nonsense\"")),
            _ => self.line(format!("> sysfs_read {name} \"nothing\"")),
        }
    }

    /// Everything goes, in an order that is made up, too.
    fn take_apart(&mut self) {
        let close_late = self.dice.percent(60);
        if !close_late {
            self.close_all();
        }
        let mut order: Vec<usize> = (0..self.devices.len()).collect();
        match self.dice.below(3) {
            0 => order.reverse(),
            1 => {
                for at in (1..order.len()).rev() {
                    let other = self.dice.below(at + 1);
                    order.swap(at, other);
                }
            }
            _ => {}
        }
        let drivers_first = self.dice.percent(40);
        if drivers_first {
            self.drivers_go();
        }
        for at in order {
            if !self.devices[at].owned {
                self.remove(at);
            }
        }
        for put in std::mem::take(&mut self.framework_refs) {
            self.call(&put);
        }
        for at in 0..self.devices.len() {
            while self.devices[at].held > 0 {
                self.devices[at].held -= 1;
                let name = self.devices[at].name.clone();
                self.call(&format!("put_device {name}"));
            }
        }
        self.close_all();
        if !drivers_first {
            self.drivers_go();
        }
        for at in 0..self.devices.len() {
            let name = self.devices[at].name.clone();
            self.line(format!("ref {name}"));
        }
        if self.bus {
            self.line("bus_unregister_notifier lf_bus");
            self.line("> bus_unregister lf_bus");
        }
    }

    fn drivers_go(&mut self) {
        for at in 0..self.drivers.len() {
            if self.drivers[at].registered {
                self.drivers[at].registered = false;
                let (name, platform) = (self.drivers[at].name.clone(), self.drivers[at].platform);
                self.unregister_driver(&name, platform);
                self.work_behind();
            }
        }
    }
}

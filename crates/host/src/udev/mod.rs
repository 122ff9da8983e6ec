//! What udev would do: take the kernel's uevents, ask its rules, keep its database and its
//! links, and tell its own listeners once all that is there.
//!
//! Follows systemd's `src/udev/udev-worker.c`, `udev-event.c`, `udev-node.c` and
//! `device-private.c` (`device_update_db`, `device_tag_index`).

mod message;
mod rules;

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lastfd_model::System;
use lastfd_model::raw::{DevNode, DevT, Device, UeventAction};
use lastfd_sync::{Arc, Cancel, Mutex, WaitQueue, wait_event};

use crate::place::Udev;

/// Knows of a device what no attribute tells without being read: properties for udev's
/// database, such as `ID_V4L_PRODUCT`. What begins with a dot is for the rules alone:
/// `.INDEX` is the number in a camera's links.
///
/// It is called on udev's own task for each uevent but those of removal; it may ask the
/// model, and must not open the device's node: programs would be told of that.
pub type Properties = Arc<dyn Fn(&Device) -> Vec<(String, String)> + Send + Sync>;

/// A uevent as udev takes it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// None for that of a bus or a driver.
    pub(crate) device: Option<u64>,
    pub(crate) action: UeventAction,
    pub(crate) env: Arc<[(String, String)]>,
}

/// What udev keeps of one device.
#[derive(Clone, Debug, Default)]
struct Record {
    links: Vec<String>,
    tags: BTreeSet<&'static str>,
    properties: Vec<(String, String)>,
    devname: Option<String>,
    initialized: u64,
}

/// What udev knows, and what it has still to do.
#[derive(Default)]
pub(crate) struct Udevd {
    known: Mutex<Known>,
    jobs: Mutex<Jobs>,
    /// Woken when there is something to do, and when nothing is left.
    changed: WaitQueue,
    stop: Cancel,
}

#[derive(Default)]
struct Known {
    /// By the device's id in the database, such as `c81:0` or `+platform:camera`.
    records: BTreeMap<String, Record>,
    /// Who has the link now: the link, and the id.
    links: BTreeMap<String, String>,
    /// Permission bits of nodes, by path and device.
    modes: BTreeMap<(String, u64), u16>,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    busy: bool,
}

/// What a job changed in `/dev`, for the mirror, and what listeners are told then.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Links that are there now, with where they lead from their directory.
    pub(crate) made: Vec<(String, String)>,
    /// Links that went.
    pub(crate) gone: Vec<String>,
    /// A node with new permission bits.
    pub(crate) mode: Option<(String, u16)>,
    pub(crate) datagram: Option<Vec<u8>>,
}

impl Udevd {
    pub(crate) fn push(&self, job: Job) {
        self.jobs.lock().queue.push_back(job);
        self.changed.wake_all();
    }

    /// Does what there is to do until told to stop.
    pub(crate) fn run(&self, system: &System, mut work: impl FnMut(Job)) {
        loop {
            let next = || self.jobs.lock().take();
            match wait_event(
                &[&self.changed],
                system.clock(),
                None,
                Some(&self.stop),
                next,
            ) {
                Ok(job) => work(job),
                Err(_) => return,
            }
            self.jobs.lock().busy = false;
            self.changed.wake_all();
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn is_settled(&self) -> bool {
        let jobs = self.jobs.lock();
        jobs.queue.is_empty() && !jobs.busy
    }

    /// Waits until nothing is left to do, or udev has stopped (`udevadm settle`).
    pub(crate) fn settle(&self, system: &System) {
        let settled = || self.is_settled().then_some(());
        // The one error there can be is that it stopped.
        let _ = wait_event(
            &[&self.changed],
            system.clock(),
            None,
            Some(&self.stop),
            settled,
        );
    }

    /// One uevent: udev_event_execute_rules, then what the listeners are told.
    pub(crate) fn process(&self, system: &System, told: &[Properties], job: &Job) -> Outcome {
        let of = |key: &str| value(&job.env, key).map(str::to_owned);
        let (Some(path), Some(subsystem)) = (of("DEVPATH"), of("SUBSYSTEM")) else {
            return Outcome::default();
        };
        let id = device_id(&path, &subsystem, devt(&job.env));
        let devname = of("DEVNAME");
        let mut outcome = Outcome::default();
        let record = if job.action == UeventAction::Remove {
            let mut known = self.known.lock();
            let record = known.records.remove(&id).unwrap_or_default();
            if let Some(devname) = &devname {
                known
                    .modes
                    .retain(|(name, id), _| name != devname || job.device != Some(*id));
            }
            known.give_up_links(&id, &record.links, &mut outcome);
            record
        } else {
            let device = system
                .devices()
                .into_iter()
                .find(|device| Some(device.id()) == job.device);
            let verdict = device.map(|device| {
                let told: Vec<_> = told.iter().flat_map(|told| told(&device)).collect();
                rules::ask(&device, &subsystem, &told)
            });
            let now = system.clock().now().since_start().as_micros();
            let now = u64::try_from(now).unwrap_or(u64::MAX).max(1);
            let mut known = self.known.lock();
            let before = known.records.get(&id).cloned().unwrap_or_default();
            let (properties, links, tags, mode) = match verdict {
                Some(verdict) => (
                    verdict.properties,
                    verdict.links,
                    verdict.tags,
                    verdict.mode,
                ),
                // It went meanwhile; its removal is still to come.
                None => (
                    before.properties.clone(),
                    before.links.clone(),
                    before.tags.clone(),
                    None,
                ),
            };
            let record = Record {
                links,
                tags,
                properties,
                devname: devname.clone(),
                initialized: if before.initialized > 0 {
                    before.initialized
                } else {
                    now
                },
            };
            let lost: Vec<String> = before
                .links
                .into_iter()
                .filter(|link| !record.links.contains(link))
                .collect();
            known.records.insert(id.clone(), record.clone());
            known.give_up_links(&id, &lost, &mut outcome);
            for link in &record.links {
                known.links.insert(link.clone(), id.clone());
                if let Some(devname) = &devname {
                    outcome.made.push((link.clone(), target(link, devname)));
                }
            }
            if let (Some(devname), Some(device), Some(mode)) = (devname, job.device, mode) {
                known.modes.insert((devname.clone(), device), mode);
                outcome.mode = Some((devname, mode));
            }
            record
        };
        outcome.datagram = Some(record.datagram(&subsystem, &job.env));
        outcome
    }
}

impl Jobs {
    fn take(&mut self) -> Option<Job> {
        let job = self.queue.pop_front()?;
        self.busy = true;
        Some(job)
    }
}

impl Known {
    /// Links go, or to another device that claims them too (udev-node.c: link_update).
    fn give_up_links(&mut self, id: &str, links: &[String], outcome: &mut Outcome) {
        for link in links {
            if self.links.get(link).is_none_or(|owner| owner != id) {
                continue;
            }
            self.links.remove(link);
            let claims = |(other, record): (&String, &Record)| {
                let devname = record
                    .devname
                    .clone()
                    .filter(|_| record.links.contains(link))?;
                (other != id).then(|| (other.clone(), devname))
            };
            match self.records.iter().find_map(claims) {
                Some((other, devname)) => {
                    self.links.insert(link.clone(), other);
                    outcome.made.push((link.clone(), target(link, &devname)));
                }
                None => outcome.gone.push(link.clone()),
            }
        }
    }
}

impl Record {
    /// Whether there is anything to write down (device-private.c: device_has_info).
    fn has_info(&self) -> bool {
        !(self.links.is_empty() && self.tags.is_empty() && self.properties.is_empty())
    }

    /// Its file in `/run/udev/data` (device-private.c: device_update_db).
    fn text(&self) -> String {
        let mut text = String::new();
        if !self.has_info() {
            return text;
        }
        for link in &self.links {
            let _ = writeln!(text, "S:{link}");
        }
        let _ = writeln!(text, "I:{}", self.initialized);
        for (key, value) in &self.properties {
            let _ = writeln!(text, "E:{key}={value}");
        }
        for letter in ["G", "Q"] {
            for tag in &self.tags {
                let _ = writeln!(text, "{letter}:{tag}");
            }
        }
        text.push_str("V:1\n");
        text
    }

    /// What the listeners are told: the kernel's properties, then udev's.
    fn datagram(&self, subsystem: &str, env: &[(String, String)]) -> Vec<u8> {
        let mut all: Vec<(String, String)> = env.to_vec();
        for (key, value) in &mut all {
            if key == "DEVNAME" {
                *value = format!("/dev/{value}");
            }
        }
        let mut add = |key: &str, value: String| all.push((key.to_owned(), value));
        add("UDEV_DATABASE_VERSION", "1".to_owned());
        if self.initialized > 0 {
            add("USEC_INITIALIZED", self.initialized.to_string());
        }
        for (key, value) in &self.properties {
            add(key, value.clone());
        }
        if !self.links.is_empty() {
            let links: Vec<String> = self
                .links
                .iter()
                .map(|link| format!("/dev/{link}"))
                .collect();
            add("DEVLINKS", links.join(" "));
        }
        if !self.tags.is_empty() {
            let tags: Vec<&str> = self.tags.iter().copied().collect();
            let tags = format!(":{}:", tags.join(":"));
            add("TAGS", tags.clone());
            add("CURRENT_TAGS", tags);
        }
        message::datagram(
            subsystem,
            value(env, "DEVTYPE"),
            self.tags.iter().copied(),
            &all,
        )
    }
}

fn value<'a>(env: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let found = env.iter().find(|(there, _)| there == key);
    found.map(|(_, value)| value.as_str())
}

fn devt(env: &[(String, String)]) -> Option<DevT> {
    let major = value(env, "MAJOR")?.parse().ok()?;
    let minor = value(env, "MINOR")?.parse().ok()?;
    Some(DevT { major, minor })
}

/// sd-device.c: sd_device_get_device_id.
fn device_id(path: &str, subsystem: &str, devt: Option<DevT>) -> String {
    match devt {
        Some(devt) => format!("c{devt}"),
        None => {
            let name = path.rsplit('/').next().unwrap_or(path);
            format!("+{subsystem}:{}", name.replace('!', "/").replace('/', "!"))
        }
    }
}

/// Where a link below `/dev` leads to a node, seen from its directory.
fn target(link: &str, devname: &str) -> String {
    let up = "../".repeat(link.matches('/').count());
    format!("{up}{devname}")
}

impl Udev for Udevd {
    fn link(&self, name: &str) -> Option<String> {
        let known = self.known.lock();
        let record = known.records.get(known.links.get(name)?)?;
        Some(target(name, record.devname.as_deref()?))
    }

    fn links(&self) -> Vec<(String, String)> {
        let known = self.known.lock();
        let link = |(link, id): (&String, &String)| {
            let devname = known.records.get(id)?.devname.as_deref()?;
            Some((link.clone(), target(link, devname)))
        };
        known.links.iter().filter_map(link).collect()
    }

    fn file(&self, path: &str) -> Option<Arc<[u8]>> {
        let known = self.known.lock();
        let empty = || Arc::from([]);
        if let Some(id) = path.strip_prefix("data/") {
            let record = known.records.get(id)?;
            let there = record.has_info() || record.devname.is_some();
            return there.then(|| Arc::from(record.text().into_bytes()));
        }
        if let Some((tag, id)) = path
            .strip_prefix("tags/")
            .and_then(|rest| rest.split_once('/'))
        {
            return known.records.get(id)?.tags.contains(tag).then(empty);
        }
        match path {
            "control" => Some(empty()),
            "queue" => (!self.is_settled()).then(empty),
            _ => None,
        }
    }

    fn files(&self) -> Vec<String> {
        let mut files = vec!["control".to_owned()];
        if !self.is_settled() {
            files.push("queue".to_owned());
        }
        let known = self.known.lock();
        for (id, record) in &known.records {
            if record.has_info() || record.devname.is_some() {
                files.push(format!("data/{id}"));
            }
            files.extend(record.tags.iter().map(|tag| format!("tags/{tag}/{id}")));
        }
        files
    }

    fn mode(&self, node: &DevNode) -> u16 {
        let known = self.known.lock();
        let mode = known.modes.get(&(node.name.to_string(), node.device.id()));
        mode.copied().unwrap_or(node.mode)
    }
}

//! An event as one line.

use core::fmt;

use super::{DeviceRef, EventKind};
use crate::errno::Errno;

struct Outcome<'a, T>(&'a Result<T, Errno>);

impl<T: fmt::Display> fmt::Display for Outcome<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => value.fmt(f),
            Err(errno) => write!(f, "-{errno}"),
        }
    }
}

/// `device: `, or nothing where there is no device.
struct Subject<'a>(Option<&'a DeviceRef>);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(device) => write!(f, "{device}: "),
            None => Ok(()),
        }
    }
}

impl fmt::Display for EventKind {
    /// One line without a time, as the live log prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind::*;
        match self {
            DeviceInitialized { device, .. } => write!(f, "{device}: initialized"),
            DeviceAdded { device, .. } => write!(f, "{device}: added"),
            DeviceMoved { device, parent } => match parent {
                Some(parent) => write!(f, "{device}: moved below {parent}"),
                None => write!(f, "{device}: moved to the top"),
            },
            DeviceRemoved { device } => write!(f, "{device}: removed"),
            Released { device } => write!(f, "{device}: RELEASE"),
            Notify { device, what } => write!(f, "{device}: notify {what}"),
            Uevent { device, action, .. } => write!(f, "{device}: uevent {action}"),
            Match {
                device,
                driver,
                result,
            } => write!(f, "{device}: match with {driver} -> {}", Outcome(result)),
            ProbeBegin { device, driver } => write!(f, "{device}: probe by {driver}"),
            ProbeEnd { device, result, .. } => match result {
                Ok(()) => write!(f, "{device}: probe returned 0"),
                Err(errno) => write!(f, "{device}: probe returned -{errno}"),
            },
            RemoveBegin { device, driver } => write!(f, "{device}: remove by {driver}"),
            RemoveEnd { device, .. } => write!(f, "{device}: remove returned"),
            DevresAdded {
                device, res, node, ..
            } => write!(f, "{device}: devres {res} #{node} added"),
            DevresRun { device, res, node } => write!(f, "{device}: devres {res} #{node} released"),
            DevresRemoved { device, res, node } => {
                write!(f, "{device}: devres {res} #{node} taken off")
            }
            RefTaken {
                device,
                count,
                holder,
            } => write!(f, "{device}: reference taken for {holder}, now {count}"),
            RefDropped {
                device,
                count,
                holder,
            } => write!(f, "{device}: reference dropped by {holder}, now {count}"),
            Resource {
                device,
                kind,
                name,
                step,
                ..
            } => match device {
                Some(device) => write!(f, "{device}: {kind} {name} {step}"),
                None => write!(f, "{kind} {name} {step}"),
            },
            Memory {
                device, what, step, ..
            } => {
                let of = Subject(device.as_ref());
                write!(f, "{of}{what} {step}")
            }
            Embedded { device, object, .. } => {
                let of = Subject(device.as_ref());
                write!(f, "{of}{object} lies in its memory")
            }
            SectionBegin { section } => {
                let of = Subject(section.device.as_ref());
                write!(f, "{of}entered {section}")
            }
            SectionEnd { section } => {
                let of = Subject(section.device.as_ref());
                write!(f, "{of}left {section}")
            }
            LivenessTested { device, alive } => {
                let answer = if *alive { "yes" } else { "no" };
                write!(f, "{device}: still registered? {answer}")
            }
            DriverDataRead { device, there } => {
                let answer = if *there { "" } else { ": there is none" };
                write!(f, "{device}: driver data read{answer}")
            }
            AttributeShown {
                device,
                attribute,
                result,
            } => write!(f, "{device}: show {attribute} = {}", Outcome(result)),
            AttributeStored {
                device,
                attribute,
                result,
            } => write!(f, "{device}: store {attribute} = {}", Outcome(result)),
            FileShown {
                kobject,
                attribute,
                result,
            } => write!(f, "{kobject}: show {attribute} = {}", Outcome(result)),
            FileStored {
                kobject,
                attribute,
                result,
            } => write!(f, "{kobject}: store {attribute} = {}", Outcome(result)),
            KobjectUevent {
                kobject, action, ..
            } => write!(f, "{kobject}: uevent {action}"),
            NodeCreated { node, .. } => write!(f, "/dev/{node} created"),
            NodeRemoved { node, .. } => write!(f, "/dev/{node} removed"),
            OpenBegin { path, .. } => write!(f, "{path}: open …"),
            FileOpened { file, .. } => write!(f, "{file}: opened"),
            OperationBegin { file, op } => write!(f, "{file}: {op} …"),
            OperationEnd { file, op, result } => {
                write!(f, "{file}: {op} = {}", Outcome(result))
            }
            Blocked { file, op } => write!(f, "{file}: {op} blocked"),
            Woken { file, op } => write!(f, "{file}: {op} woken"),
            FileClosed { file, .. } => write!(f, "{file}: last close"),
            GateClosed { device } => write!(f, "{device}: gate closed"),
            Message { device, text } => match device {
                Some(device) => write!(f, "{device}: {text}"),
                None => f.write_str(text),
            },
            Splat { kind, device, text } => match device {
                Some(device) => write!(f, "{device}: {kind}: {text}"),
                None => write!(f, "{kind}: {text}"),
            },
            Leak { text, .. } => write!(f, "leak: {text}"),
            Framework(event) => fmt::Display::fmt(event, f),
        }
    }
}

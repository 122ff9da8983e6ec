//! What each task is in the middle of.

use std::collections::BTreeMap;

use lastfd_model::event::ResourceStep;
use lastfd_model::{Event, EventKind, Section};
use lastfd_sync::Arc;
use lastfd_sync::thread::TaskId;

/// One thing a task is in the middle of.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// A driver's probe of this device.
    Probe(u64),
    /// A driver's remove of this device.
    Remove(u64),
    /// The release of this device's managed resources.
    Devres(u64),
    /// An operation on an open file.
    File(FileFrame),
    /// The callback of this timer, work, thread or interrupt.
    Firing(u64, Event),
    /// A section that the end of something waits for.
    Section(Section),
}

#[derive(Clone, Debug)]
pub(crate) struct FileFrame {
    pub(crate) file: u64,
    pub(crate) op: Arc<str>,
    pub(crate) begin: Event,
    /// The latest question whether a device is still there that was answered with yes.
    pub(crate) tested: Option<Event>,
}

/// What runs code of a driver's, as far as it can come at any time.
#[derive(Clone, Debug)]
pub(crate) enum User<'a> {
    File(&'a FileFrame),
    Handler(u64, &'a Event),
}

/// In what a driver takes things down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its remove callback.
    Remove(u64),
    /// The release of the device's managed resources.
    Devres(u64),
}

impl Phase {
    pub(crate) fn device(self) -> u64 {
        match self {
            Phase::Remove(device) | Phase::Devres(device) => device,
        }
    }
}

/// All tasks.
#[derive(Default)]
pub(crate) struct Frames(BTreeMap<TaskId, Vec<Frame>>);

impl Frames {
    fn of(&self, task: TaskId) -> impl DoubleEndedIterator<Item = &Frame> {
        self.0.get(&task).into_iter().flatten()
    }

    fn push(&mut self, task: TaskId, frame: Frame) {
        self.0.entry(task).or_default().push(frame);
    }

    /// Takes the latest frame that fits off its task's stack.
    fn pop(&mut self, task: TaskId, fits: impl Fn(&Frame) -> bool) -> bool {
        let Some(stack) = self.0.get_mut(&task) else {
            return false;
        };
        let Some(at) = stack.iter().rposition(fits) else {
            return false;
        };
        stack.remove(at);
        if stack.is_empty() {
            self.0.remove(&task);
        }
        true
    }

    /// Who runs on this task: the innermost callback that can come at any time, unless
    /// the driver is being bound or unbound inside it.
    pub(crate) fn user(&self, task: TaskId) -> Option<User<'_>> {
        let innermost = self
            .of(task)
            .rev()
            .find(|frame| !matches!(frame, Frame::Section(_)))?;
        match innermost {
            Frame::File(frame) => Some(User::File(frame)),
            Frame::Firing(thing, begin) => Some(User::Handler(*thing, begin)),
            _ => None,
        }
    }

    /// What the task holds and is inside of.
    pub(crate) fn sections(&self, task: TaskId) -> Vec<Section> {
        let sections = self.of(task).filter_map(|frame| match frame {
            Frame::Section(section) => Some(section.clone()),
            _ => None,
        });
        sections.collect()
    }

    pub(crate) fn phase(&self, task: TaskId) -> Option<Phase> {
        self.of(task).rev().find_map(|frame| match frame {
            Frame::Remove(device) => Some(Phase::Remove(*device)),
            Frame::Devres(device) => Some(Phase::Devres(*device)),
            _ => None,
        })
    }

    /// The device that is probed on this task.
    pub(crate) fn probing(&self, task: TaskId) -> Option<u64> {
        self.of(task).rev().find_map(|frame| match frame {
            Frame::Probe(device) => Some(*device),
            _ => None,
        })
    }

    /// Whether the callback of this one runs on the task.
    pub(crate) fn is_firing(&self, task: TaskId, thing: u64) -> bool {
        self.of(task)
            .any(|frame| matches!(frame, Frame::Firing(id, _) if *id == thing))
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        use EventKind::*;
        let task = event.task;
        match &event.kind {
            ProbeBegin { device, .. } => {
                self.end_devres(task, device.id);
                self.push(task, Frame::Probe(device.id));
            }
            ProbeEnd { device, .. } => {
                self.pop(
                    task,
                    |frame| matches!(frame, Frame::Probe(id) if *id == device.id),
                );
            }
            RemoveBegin { device, .. } => self.push(task, Frame::Remove(device.id)),
            RemoveEnd { device, .. } => {
                self.pop(
                    task,
                    |frame| matches!(frame, Frame::Remove(id) if *id == device.id),
                );
            }
            DevresRun { device, .. } => {
                self.end_devres(task, device.id);
                self.push(task, Frame::Devres(device.id));
            }
            // Whatever is told of a device next, its managed resources are done with.
            Notify { device, .. }
            | DeviceRemoved { device, .. }
            | Released { device }
            | Match { device, .. } => self.end_devres(task, device.id),
            OperationBegin { file, op } => self.push(
                task,
                Frame::File(FileFrame {
                    file: file.id,
                    op: Arc::clone(op),
                    begin: event.clone(),
                    tested: None,
                }),
            ),
            OperationEnd { file, op, .. } => {
                let is_it = |frame: &Frame| matches!(frame, Frame::File(f) if f.file == file.id && f.op == *op);
                if !self.pop(task, is_it) {
                    // It was finished by another task than began it.
                    let began = self.0.iter().find(|(_, frames)| frames.iter().any(is_it));
                    if let Some(began) = began.map(|(task, _)| *task) {
                        self.pop(began, is_it);
                    }
                }
            }
            LivenessTested { alive: true, .. } => {
                let frames = self.0.get_mut(&task);
                let innermost = frames.and_then(|frames| {
                    frames.iter_mut().rev().find_map(|frame| match frame {
                        Frame::File(frame) => Some(frame),
                        _ => None,
                    })
                });
                if let Some(frame) = innermost {
                    frame.tested = Some(event.clone());
                }
            }
            Resource { id, step, .. } => match step {
                ResourceStep::Fired => self.push(task, Frame::Firing(*id, event.clone())),
                ResourceStep::Returned => {
                    self.pop(task, |f| matches!(f, Frame::Firing(of, _) if of == id));
                }
                _ => {}
            },
            SectionBegin { section } => self.push(task, Frame::Section(section.clone())),
            SectionEnd { section } => {
                self.pop(task, |f| matches!(f, Frame::Section(s) if s == section));
            }
            _ => {}
        }
    }

    fn end_devres(&mut self, task: TaskId, device: u64) {
        self.pop(
            task,
            |frame| matches!(frame, Frame::Devres(id) if *id == device),
        );
    }
}

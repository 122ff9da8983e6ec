//! Controls: what a program can set, and who is told.
//!
//! Follows `drivers/media/v4l2-core/v4l2-ctrls-core.c` for controls with one
//! 32-bit value: integers, switches, menus, buttons and class names. No clusters.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_abi::v4l2::*;
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex, MutexGuard, Weak};

use super::events::v4l2_event_queue_fh;
use super::fh::V4l2Fh;
use lastfd_model::raw::{KernelGuard, KernelMutex};

/// What a driver does with its controls (`struct v4l2_ctrl_ops`). Called with
/// the handler's lock held.
pub trait CtrlOps: Send + Sync {
    /// Gives the value of a volatile control now.
    ///
    /// # Errors
    /// The read fails with the same.
    fn g_volatile_ctrl(&self, ctrl: &Ctrl) -> Result<i32> {
        Ok(ctrl.cur())
    }

    /// Whether the value can be.
    ///
    /// # Errors
    /// Setting and trying fail with the same.
    fn try_ctrl(&self, ctrl: &Ctrl, value: i32) -> Result {
        let _ = (ctrl, value);
        Ok(())
    }

    /// The control has a new value.
    ///
    /// # Errors
    /// The value stays what it was.
    fn s_ctrl(&self, ctrl: &Ctrl, value: i32) -> Result {
        let _ = (ctrl, value);
        Ok(())
    }
}

/// What a control is (`struct v4l2_ctrl_config`).
#[derive(Clone, Debug, Default)]
pub struct CtrlConfig {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// `V4L2_CTRL_TYPE_*`.
    pub type_: u32,
    /// The smallest value.
    pub min: i64,
    /// The largest value.
    pub max: i64,
    /// From one value to the next; of a menu, the items that are not there
    /// (`menu_skip_mask`).
    pub step: u64,
    /// The value it starts with.
    pub def: i64,
    /// `V4L2_CTRL_FLAG_*`.
    pub flags: u32,
    /// The items of a menu, from 0 on.
    pub menu: Vec<String>,
}

impl CtrlConfig {
    /// The name of an item of a menu, if it is one that can be chosen.
    // v4l2-ctrls-api.c: v4l2_querymenu
    pub(crate) fn item(&self, index: i64) -> Option<&str> {
        let skipped = index < 64 && self.step >> index & 1 != 0;
        let there = (self.min..=self.max).contains(&index) && !skipped;
        let name = usize::try_from(index).ok().filter(|_| there);
        let name = name.and_then(|index| self.menu.get(index))?;
        (!name.is_empty()).then_some(name)
    }
}

/// Subscribed to a control: the file, and how.
struct Listener {
    fh: V4l2Fh,
    flags: u32,
}

/// A handle on one control (`struct v4l2_ctrl`).
#[derive(Clone)]
pub struct Ctrl(Arc<CtrlInner>);

struct CtrlInner {
    config: CtrlConfig,
    ops: Option<Arc<dyn CtrlOps>>,
    handler: Weak<HandlerInner>,
    state: Mutex<CtrlState>,
    /// ctrl->ev_subs.
    listeners: Mutex<Vec<Listener>>,
}

struct CtrlState {
    value: i32,
    flags: u32,
}

impl PartialEq for Ctrl {
    fn eq(&self, other: &Ctrl) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Ctrl {}

impl fmt::Debug for Ctrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctrl")
            .field("name", &self.0.config.name)
            .field("value", &self.cur())
            .finish_non_exhaustive()
    }
}

impl Ctrl {
    /// What it is.
    pub fn config(&self) -> &CtrlConfig {
        &self.0.config
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.config.id
    }

    /// Its value (`ctrl->cur.val`), read without the handler's lock.
    pub fn cur(&self) -> i32 {
        self.0.state.lock().value
    }

    /// Its flags, as they are now.
    pub fn flags(&self) -> u32 {
        self.0.state.lock().flags
    }

    /// Says that the driver is using it, and nobody may set it
    /// (`v4l2_ctrl_grab`).
    pub fn grab(&self, grabbed: bool) {
        let changed = {
            let mut state = self.0.state.lock();
            let old = state.flags;
            state.flags = match grabbed {
                true => old | V4L2_CTRL_FLAG_GRABBED,
                false => old & !V4L2_CTRL_FLAG_GRABBED,
            };
            state.flags != old
        };
        if changed {
            self.send_event(None, V4L2_EVENT_CTRL_CH_FLAGS);
        }
    }

    /// Runs what the driver does with it; `EIO` if it panics.
    pub(crate) fn op<T>(
        &self,
        default: Result<T>,
        run: impl FnOnce(&dyn CtrlOps) -> Result<T>,
    ) -> Result<T> {
        match (&self.0.ops, self.0.handler.upgrade()) {
            (Some(ops), Some(handler)) => handler
                .system
                .guard(None, "a control's callback", || run(&**ops))
                .unwrap_or(Err(Errno::EIO)),
            _ => default,
        }
    }

    /// Takes the handler's lock (`v4l2_ctrl_lock`).
    #[track_caller]
    pub(crate) fn lock<R>(&self, run: impl FnOnce() -> R) -> R {
        let handler = self.0.handler.upgrade();
        let _held = handler.as_ref().map(|handler| handler.lock());
        run()
    }

    /// v4l2-ctrls-core.c: v4l2_ctrl_type_op_validate. Out of range is put in
    /// range, not refused.
    pub(crate) fn validate(&self, value: i32) -> Result<i32> {
        let config = &self.0.config;
        Ok(match config.type_ {
            V4L2_CTRL_TYPE_INTEGER => round_to_range(value, config),
            V4L2_CTRL_TYPE_BOOLEAN => i32::from(value != 0),
            V4L2_CTRL_TYPE_MENU => {
                if !(config.min..=config.max).contains(&value.into()) {
                    return Err(Errno::ERANGE);
                }
                config.item(value.into()).ok_or(Errno::EINVAL)?;
                value
            }
            V4L2_CTRL_TYPE_BUTTON | V4L2_CTRL_TYPE_CTRL_CLASS => 0,
            _ => return Err(Errno::EINVAL),
        })
    }

    /// v4l2-ctrls-core.c: try_or_set_cluster, of one control. Gives the value
    /// that it has then, or would have.
    pub(crate) fn try_or_set(&self, fh: Option<&V4l2Fh>, value: i32, set: bool) -> Result<i32> {
        if set && self.flags() & V4L2_CTRL_FLAG_GRABBED != 0 {
            return Err(Errno::EBUSY);
        }
        self.op(Ok(()), |ops| ops.try_ctrl(self, value))?;
        let flags = self.flags();
        // cluster_changed.
        let always = flags & V4L2_CTRL_FLAG_EXECUTE_ON_WRITE != 0
            || self.0.config.type_ == V4L2_CTRL_TYPE_BUTTON;
        let changed = always || flags & V4L2_CTRL_FLAG_VOLATILE == 0 && value != self.cur();
        if !set || !changed {
            return Ok(value);
        }
        self.op(Ok(()), |ops| ops.s_ctrl(self, value))?;
        // new_to_cur.
        self.0.state.lock().value = value;
        self.send_event(fh, V4L2_EVENT_CTRL_CH_VALUE);
        Ok(value)
    }

    // v4l2-ctrls-core.c: fill_event
    fn event(&self, changes: u32) -> V4l2Event {
        let config = &self.0.config;
        let mut event = V4l2Event {
            type_: V4L2_EVENT_CTRL,
            id: config.id,
            ..V4l2Event::default()
        };
        event.set_ctrl(&V4l2EventCtrl {
            changes,
            type_: config.type_,
            // The kernel copies eight bytes of a four byte value; what lies
            // behind it is zero.
            value64: i64::from(self.cur() as u32),
            flags: self.flags(),
            minimum: config.min as i32,
            maximum: config.max as i32,
            step: match config.type_ {
                V4L2_CTRL_TYPE_MENU => 1,
                _ => config.step as i32,
            },
            default_value: config.def as i32,
            pad: 0,
        });
        event
    }

    /// v4l2-ctrls-core.c: send_event. Who made the change is not told, unless
    /// it asked for that.
    pub(crate) fn send_event(&self, by: Option<&V4l2Fh>, changes: u32) {
        let told: Vec<V4l2Fh> = {
            let listeners = self.0.listeners.lock();
            let told = listeners.iter().filter(|listener| {
                by != Some(&listener.fh) || listener.flags & V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK != 0
            });
            told.map(|listener| listener.fh.clone()).collect()
        };
        if told.is_empty() {
            return;
        }
        let event = self.event(changes);
        for fh in &told {
            v4l2_event_queue_fh(fh, &event);
        }
    }

    pub(crate) fn subscribe(&self, fh: &V4l2Fh, flags: u32) {
        self.0.listeners.lock().push(Listener {
            fh: fh.clone(),
            flags,
        });
        let class = self.0.config.type_ == V4L2_CTRL_TYPE_CTRL_CLASS;
        if !class && flags & V4L2_EVENT_SUB_FL_SEND_INITIAL != 0 {
            // send_initial_event.
            let mut changes = V4L2_EVENT_CTRL_CH_FLAGS;
            if self.flags() & V4L2_CTRL_FLAG_WRITE_ONLY == 0 {
                changes |= V4L2_EVENT_CTRL_CH_VALUE;
            }
            v4l2_event_queue_fh(fh, &self.event(changes));
        }
    }

    pub(crate) fn unsubscribe(&self, fh: &V4l2Fh) {
        let gone: Vec<Listener> = {
            let mut listeners = self.0.listeners.lock();
            let all = core::mem::take(&mut *listeners);
            let (gone, left) = all.into_iter().partition(|listener| listener.fh == *fh);
            *listeners = left;
            gone
        };
        drop(gone);
    }
}

/// ROUND_TO_RANGE.
fn round_to_range(value: i32, config: &CtrlConfig) -> i32 {
    let (min, max, half) = (config.min, config.max, (config.step / 2) as i64);
    let mut value = i64::from(value);
    if max >= 0 && value >= max - half {
        value = max;
    } else {
        value += half;
    }
    value = value.clamp(min, max);
    let step = (config.step as i64).max(1);
    (min + (value - min) / step * step) as i32
}

/// A set of controls (`struct v4l2_ctrl_handler`). Clones are one set.
#[derive(Clone)]
pub struct CtrlHandler(Arc<HandlerInner>);

struct HandlerInner {
    system: System,
    lock: KernelMutex,
    state: Mutex<HandlerState>,
}

#[derive(Default)]
struct HandlerState {
    ctrls: BTreeMap<u32, Ctrl>,
    error: Option<Errno>,
}

impl HandlerInner {
    #[track_caller]
    fn lock(&self) -> KernelGuard<'_> {
        self.lock
            .lock(&self.system, || None, "the control handler's lock")
    }
}

impl fmt::Debug for CtrlHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.state().ctrls.values()).finish()
    }
}

impl CtrlHandler {
    fn state(&self) -> MutexGuard<'_, HandlerState> {
        self.0.state.lock()
    }

    /// The first error of a control that could not be added
    /// (`handler->error`).
    pub fn error(&self) -> Option<Errno> {
        self.state().error
    }

    /// Its controls, by number.
    pub fn ctrls(&self) -> Vec<Ctrl> {
        self.state().ctrls.values().cloned().collect()
    }

    pub(crate) fn system(&self) -> &System {
        &self.0.system
    }

    /// Takes the driver's callbacks off, which may hold what holds the handler.
    pub(crate) fn clear(&self) {
        let gone = core::mem::take(&mut self.state().ctrls);
        drop(gone);
    }

    pub(super) fn fail(&self, errno: Errno) -> Result<Ctrl> {
        let mut state = self.state();
        Err(*state.error.get_or_insert(errno))
    }
}

/// An empty set (`v4l2_ctrl_handler_init`).
///
/// # Errors
/// `ENOMEM`.
pub fn v4l2_ctrl_handler_init(system: &System) -> Result<CtrlHandler> {
    system.allocation()?;
    Ok(CtrlHandler(Arc::new(HandlerInner {
        system: system.unowned(),
        lock: KernelMutex::default(),
        state: Mutex::new(HandlerState::default()),
    })))
}

/// Frees the controls of a set (`v4l2_ctrl_handler_free`).
pub fn v4l2_ctrl_handler_free(handler: &CtrlHandler) {
    handler.clear();
}

/// The control with this number (`v4l2_ctrl_find`).
pub fn v4l2_ctrl_find(handler: &CtrlHandler, id: u32) -> Option<Ctrl> {
    handler
        .state()
        .ctrls
        .get(&(id & V4L2_CTRL_ID_MASK))
        .cloned()
}

/// Adds a control, and its class's name if that is not there
/// (`v4l2_ctrl_new_custom`).
///
/// # Errors
/// `ERANGE` for a number, name or range that cannot be, `ENOMEM`; the handler
/// keeps the first error, and then takes nothing more.
// v4l2-ctrls-core.c: v4l2_ctrl_new
pub fn v4l2_ctrl_new_custom(
    handler: &CtrlHandler,
    config: CtrlConfig,
    ops: Option<Arc<dyn CtrlOps>>,
) -> Result<Ctrl> {
    if let Some(errno) = handler.error() {
        return Err(errno);
    }
    let no_menu = config.type_ == V4L2_CTRL_TYPE_MENU && config.menu.is_empty();
    let no_number = config.id == 0 || config.id >= V4L2_CID_PRIVATE_BASE;
    if no_number || config.name.is_empty() || no_menu {
        return handler.fail(Errno::ERANGE);
    }
    if let Err(errno) = check_range(&config) {
        return handler.fail(errno);
    }
    if let Err(errno) = handler.0.system.allocation() {
        return handler.fail(errno);
    }
    let flags = match config.type_ {
        V4L2_CTRL_TYPE_BUTTON => {
            config.flags | V4L2_CTRL_FLAG_WRITE_ONLY | V4L2_CTRL_FLAG_EXECUTE_ON_WRITE
        }
        V4L2_CTRL_TYPE_CTRL_CLASS => V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY,
        _ => config.flags,
    };
    // handler_new_ref.
    let class = config.id & 0x0fff_0000 | 1;
    if config.id != class && v4l2_ctrl_find(handler, class).is_none() {
        super::ctrls_std::v4l2_ctrl_new_std(handler, None, class, 0, 0, 0, 0)?;
    }
    let ctrl = Ctrl(Arc::new(CtrlInner {
        state: Mutex::new(CtrlState {
            value: config.def as i32,
            flags,
        }),
        config,
        ops,
        handler: Arc::downgrade(&handler.0),
        listeners: Mutex::new(Vec::new()),
    }));
    // A second one with the number is lost, as in the kernel's list.
    let _held = handler.0.lock();
    let mut state = handler.state();
    state.ctrls.entry(ctrl.id()).or_insert_with(|| ctrl.clone());
    Ok(ctrl)
}

/// v4l2-ctrls-core.c: check_range.
fn check_range(config: &CtrlConfig) -> Result {
    let &CtrlConfig {
        min,
        max,
        step,
        def,
        ref menu,
        ..
    } = config;
    match config.type_ {
        V4L2_CTRL_TYPE_BOOLEAN if step != 1 || max > 1 || min < 0 => Err(Errno::ERANGE),
        V4L2_CTRL_TYPE_BOOLEAN | V4L2_CTRL_TYPE_INTEGER => {
            let wide = i32::try_from(min).is_err() || i32::try_from(max).is_err();
            if step == 0 || min > max || def < min || def > max || wide {
                return Err(Errno::ERANGE);
            }
            Ok(())
        }
        V4L2_CTRL_TYPE_MENU => {
            if min > max || def < min || def > max || min < 0 || step != 0 && max >= 64 {
                return Err(Errno::ERANGE);
            }
            // The kernel would read behind the end of the menu.
            let beyond = usize::try_from(max).is_ok_and(|max| max >= menu.len());
            match def < 64 && step >> def & 1 != 0 || beyond {
                true => Err(Errno::EINVAL),
                false => Ok(()),
            }
        }
        V4L2_CTRL_TYPE_BUTTON | V4L2_CTRL_TYPE_CTRL_CLASS => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// The value of a control, for the driver (`v4l2_ctrl_g_ctrl`).
#[track_caller]
pub fn v4l2_ctrl_g_ctrl(ctrl: &Ctrl) -> i32 {
    ctrl.lock(|| match ctrl.flags() & V4L2_CTRL_FLAG_VOLATILE {
        0 => ctrl.cur(),
        _ => ctrl
            .op(Ok(ctrl.cur()), |ops| ops.g_volatile_ctrl(ctrl))
            .unwrap_or(0),
    })
}

/// Sets a control, for the driver (`v4l2_ctrl_s_ctrl`): every file that
/// subscribed to it is told.
///
/// # Errors
/// What the driver's own callbacks answer.
#[track_caller]
pub fn v4l2_ctrl_s_ctrl(ctrl: &Ctrl, value: i32) -> Result {
    ctrl.lock(|| {
        let value = ctrl.validate(value)?;
        ctrl.try_or_set(None, value, true).map(drop)
    })
}

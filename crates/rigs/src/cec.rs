//! A television and a player on one wire, each an adapter of one platform
//! device, in simulated time.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_model::raw::*;
use lastfd_model::resource::{DelayedWork, Resource};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Cancel, Mutex};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{DriverSpec, new_system};

/// The television, at the root; the player is in its first socket.
pub const TV: usize = 0;
/// The player.
pub const PLAYER: usize = 1;

/// What both adapters can do.
pub const CAPS: u32 =
    CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT | CEC_CAP_PASSTHROUGH | CEC_CAP_MONITOR_ALL;

/// What the drivers were told, in order.
pub type Told = Arc<Mutex<Vec<String>>>;

/// Connects adapters: what one sends the others receive, after the time it takes.
#[derive(Default)]
pub struct Wire {
    ends: Mutex<Vec<End>>,
    /// Messages that the hardware begins to send and never ends.
    stuck: Mutex<bool>,
}

struct End {
    adap: CecAdapter,
    sending: Arc<Mutex<Option<CecMsg>>>,
    work: DelayedWork,
}

/// How long a message is on the wire: the start bit, then ten bits a byte.
pub fn duration(bytes: u32) -> Duration {
    Duration::from_micros(4500 + u64::from(bytes) * 24_000)
}

impl Wire {
    /// The sender's hardware is done with it; the others have it.
    fn deliver(&self, from: usize) {
        let (sender, others, msg) = {
            let ends = self.ends.lock();
            let Some(end) = ends.get(from) else {
                return;
            };
            let msg = end.sending.lock().take();
            let others: Vec<CecAdapter> = ends
                .iter()
                .map(|end| end.adap.clone())
                .filter(|other| *other != end.adap)
                .collect();
            (end.adap.clone(), others, msg)
        };
        let Some(msg) = msg else {
            return;
        };
        let heard = others
            .iter()
            .any(|other| other.has_log_addr(msg.destination()));
        let status = if msg.is_broadcast() || heard {
            CEC_TX_STATUS_OK
        } else {
            CEC_TX_STATUS_NACK
        };
        cec_transmit_attempt_done(&sender, status);
        if status == CEC_TX_STATUS_OK {
            for other in others {
                cec_received_msg(&other, &msg);
            }
        }
    }
}

/// The callbacks of one end.
pub fn ops(
    told: &Told,
    wire: &Arc<Wire>,
    index: usize,
    sending: &Arc<Mutex<Option<CecMsg>>>,
) -> CecAdapOps {
    let note = |told: &Told, adap: &CecAdapter, text: String| {
        told.lock().push(format!("{}: {text}", adap.name()));
    };
    let (enable, log_addr, monitor, transmit, free) = (
        Arc::clone(told),
        Arc::clone(told),
        Arc::clone(told),
        Arc::clone(told),
        Arc::clone(told),
    );
    let (wire, sending) = (Arc::clone(wire), Arc::clone(sending));
    CecAdapOps {
        adap_enable: Some(Arc::new(move |adap, on| {
            note(&enable, adap, format!("enable {on}"));
            Ok(())
        })),
        adap_log_addr: Some(Arc::new(move |adap, addr| {
            note(&log_addr, adap, format!("log_addr {addr:#x}"));
            Ok(())
        })),
        adap_monitor_all_enable: Some(Arc::new(move |adap, on| {
            note(&monitor, adap, format!("monitor_all {on}"));
            Ok(())
        })),
        adap_transmit: Some(Arc::new(move |adap, tries, free_time, msg| {
            note(
                &transmit,
                adap,
                format!("transmit x{tries} after {free_time}"),
            );
            *sending.lock() = Some(*msg);
            let work = wire.ends.lock().get(index).map(|end| end.work.clone());
            if let (Some(work), false) = (work, *wire.stuck.lock()) {
                work.schedule(duration(msg.len));
            }
            Ok(())
        })),
        adap_free: Some(Arc::new(move |adap| note(&free, adap, "free".into()))),
        ..CecAdapOps::default()
    }
}

/// A [`Rig`](crate::Rig) with the two adapters.
pub struct Rig {
    rig: crate::Rig<Vec<CecAdapter>>,
    /// What the drivers were told.
    pub told: Told,
    wire: Arc<Wire>,
}

impl core::ops::Deref for Rig {
    type Target = crate::Rig<Vec<CecAdapter>>;

    fn deref(&self) -> &Self::Target {
        &self.rig
    }
}

impl core::fmt::Debug for Rig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.rig.fmt(f)
    }
}

/// Makes one end of the wire.
fn plug_in(
    device: &Device,
    (told, wire): (&Told, &Arc<Wire>),
    index: usize,
    caps: u32,
) -> Result<CecAdapter> {
    let name = ["tv", "player"][index];
    let system = device.system();
    let sending = Arc::default();
    let ops = ops(told, wire, index, &sending);
    let adap = cec_allocate_adapter(&system, ops, None, name, caps, 2)?;
    cec_register_adapter(&adap, device).inspect_err(|_| cec_delete_adapter(&adap))?;
    let weak = Arc::downgrade(wire);
    let work = DelayedWork::new(&system, Some(device), name, move || {
        if let Some(wire) = weak.upgrade() {
            wire.deliver(index);
        }
    });
    wire.ends.lock().push(End {
        adap: adap.clone(),
        sending,
        work,
    });
    cec_s_phys_addr(&adap, if index == TV { 0 } else { 0x1000 }, false);
    Ok(adap)
}

/// Takes all ends off the wire.
fn pull_out(wire: &Wire) {
    let ends: Vec<End> = core::mem::take(&mut *wire.ends.lock());
    // First the works: one that is delivering would reach an adapter that is
    // gone.
    for end in &ends {
        end.work.stop();
    }
    for end in &ends {
        cec_unregister_adapter(&end.adap);
    }
    for end in ends {
        end.work.free();
    }
}

impl Rig {
    /// Both adapters, with their physical addresses but no logical ones.
    pub fn new() -> Rig {
        Rig::with_caps(CAPS)
    }

    /// As [`new`](Rig::new), with these capabilities.
    pub fn with_caps(caps: u32) -> Rig {
        Rig::on(&new_system(), caps).expect("a new System has room for them")
    }

    /// Plugs the adapters into this System.
    ///
    /// # Errors
    /// What [`plug`](crate::Rig::plug) gives.
    pub fn on(system: &System, caps: u32) -> Result<Rig> {
        let told = Told::default();
        let wire: Arc<Wire> = Arc::default();
        let (in_probe, in_remove) = ((Arc::clone(&told), Arc::clone(&wire)), Arc::clone(&wire));
        let spec = DriverSpec {
            name: "hdmi",
            id: PlatformId::Id(0),
            probe: Box::new(move |device: &Device| {
                let ends = (&in_probe.0, &in_probe.1);
                [TV, PLAYER]
                    .into_iter()
                    .map(|index| plug_in(device, ends, index, caps))
                    .collect::<Result<Vec<CecAdapter>>>()
                    .inspect_err(|_| pull_out(&in_probe.1))
            }),
            remove: Some(Box::new(move |_: &Device| pull_out(&in_remove))),
        };
        let rig = crate::Rig::plug(system, spec)?;
        Ok(Rig { rig, told, wire })
    }

    /// Both adapters with their logical addresses: the television is 0, the
    /// player is 4.
    pub fn configured() -> Rig {
        let rig = Rig::new();
        rig.configure().expect("both adapters are there");
        rig
    }

    /// Gives both adapters their logical addresses.
    ///
    /// # Errors
    /// What the core gives.
    pub fn configure(&self) -> Result {
        cec_s_log_addrs(&self.adap(TV), Some(&television()), true)?;
        cec_s_log_addrs(&self.adap(PLAYER), Some(&player()), true)?;
        self.settle();
        Ok(())
    }

    /// The adapter its latest probe made.
    pub fn adap(&self, index: usize) -> CecAdapter {
        self.made().expect("the probe made both adapters")[index].clone()
    }

    /// The device of an adapter's node.
    pub fn device(&self, index: usize) -> Device {
        self.adap(index)
            .device()
            .expect("the adapter is registered")
    }

    /// The path of an adapter's node.
    pub fn path(&self, index: usize) -> String {
        format!("/dev/{}", self.device(index).name())
    }

    /// Opens an adapter's node.
    pub fn open(&self, index: usize) -> OpenFile {
        open(&self.system, &self.path(index), OpenFlags::RDWR).expect("the adapter can be opened")
    }

    /// Opens without the first event.
    pub fn open_quiet(&self, index: usize) -> OpenFile {
        self.try_open_quiet(index).expect("there is a first event")
    }

    /// As [`open_quiet`](Rig::open_quiet).
    ///
    /// # Errors
    /// As `open(2)` and `CEC_DQEVENT`.
    pub fn try_open_quiet(&self, index: usize) -> Result<OpenFile> {
        let file = open(&self.system, &self.path(index), OpenFlags::RDWR)?;
        dqevent(&file)?;
        Ok(file)
    }

    /// Lets everything that is under way end.
    pub fn settle(&self) {
        self.clock.advance(Duration::from_secs(3));
    }

    /// From now on the hardware never ends a message.
    pub fn get_stuck(&self) {
        *self.wire.stuck.lock() = true;
    }

    /// Ends it, and gives what was left behind.
    pub fn finish(self) -> Vec<String> {
        let Rig { rig, told, wire } = self;
        drop((told, wire));
        rig.finish()
    }
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new()
    }
}

/// One logical address of a type, as CEC 2.0 wants it described.
fn one(type_: u8, device_type: u8, name: &str) -> CecLogAddrs {
    let mut las = CecLogAddrs {
        cec_version: CEC_OP_CEC_VERSION_2_0,
        num_log_addrs: 1,
        vendor_id: 0x00_0c03,
        ..CecLogAddrs::default()
    };
    las.log_addr_type[0] = type_;
    las.primary_device_type[0] = device_type;
    las.osd_name[..name.len()].copy_from_slice(name.as_bytes());
    las
}

/// What the television wants to be.
pub fn television() -> CecLogAddrs {
    one(CEC_LOG_ADDR_TYPE_TV, CEC_OP_PRIM_DEVTYPE_TV, "TV")
}

/// What the player wants to be.
pub fn player() -> CecLogAddrs {
    one(
        CEC_LOG_ADDR_TYPE_PLAYBACK,
        CEC_OP_PRIM_DEVTYPE_PLAYBACK,
        "Player",
    )
}

/// An ioctl with a struct.
pub fn ioctl<T: FromBytes + IntoBytes>(file: &OpenFile, cmd: u32, mut value: T) -> Result<T> {
    file.ioctl_bytes(cmd, value.as_mut_bytes()).map(|_| value)
}

/// [`ioctl`], ended by a signal.
pub fn ioctl_until<T: FromBytes + IntoBytes + Immutable>(
    file: &OpenFile,
    cmd: u32,
    value: T,
    signal: &Cancel,
) -> Result<T> {
    let mut program = lastfd_chrdev::Process::new();
    let arg = program.map(value.as_bytes().to_vec());
    file.ioctl_with(cmd, arg, &mut program, signal)?;
    Ok(T::read_from_bytes(program.bytes(arg)).ok().unwrap())
}

/// `CEC_DQEVENT`.
pub fn dqevent(file: &OpenFile) -> Result<CecEvent> {
    ioctl(file, CEC_DQEVENT, CecEvent::default())
}

/// `CEC_TRANSMIT`.
pub fn send(file: &OpenFile, msg: CecMsg) -> Result<CecMsg> {
    ioctl(file, CEC_TRANSMIT, msg)
}

/// Receives, waiting so many milliseconds.
pub fn receive(file: &OpenFile, timeout: u32) -> Result<CecMsg> {
    let msg = CecMsg {
        timeout,
        ..CecMsg::default()
    };
    ioctl(file, CEC_RECEIVE, msg)
}

/// `CEC_S_MODE`.
pub fn set_mode(file: &OpenFile, mode: u32) -> Result<u32> {
    ioctl(file, CEC_S_MODE, mode)
}

/// The player asks the television something; the reply wanted, if any.
pub fn ask(opcode: u8, reply: u8) -> CecMsg {
    CecMsg {
        reply,
        ..CecMsg::new(&[0x40, opcode])
    }
}

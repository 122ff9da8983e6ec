//! A television and a player on one wire, each an adapter of one platform
//! device, in simulated time.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_model::raw::{Driver, *};
use lastfd_model::resource::{DelayedWork, Resource};
use lastfd_model::{EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Cancel, Clock, Mutex};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The television, at the root, and the player in its first socket.
pub(crate) const TV: usize = 0;
pub(crate) const PLAYER: usize = 1;

pub(crate) const CAPS: u32 =
    CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT | CEC_CAP_PASSTHROUGH | CEC_CAP_MONITOR_ALL;

/// What the drivers were told, in order.
pub(crate) type Told = Arc<Mutex<Vec<String>>>;

/// Connects adapters: what one sends the others receive, after the time it takes.
#[derive(Default)]
pub(crate) struct Wire {
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
pub(crate) fn duration(bytes: u32) -> Duration {
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
pub(crate) fn ops(
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

/// A System with the two adapters.
pub(crate) struct Rig {
    pub(crate) system: System,
    pub(crate) clock: Clock,
    pub(crate) hardware: Device,
    pub(crate) record: Recording,
    pub(crate) told: Told,
    wire: Arc<Wire>,
    driver: Driver,
    adapters: Arc<Mutex<Vec<CecAdapter>>>,
}

impl Rig {
    /// Both adapters, with their physical addresses but no logical ones.
    pub(crate) fn new() -> Rig {
        Rig::with_caps(CAPS)
    }

    pub(crate) fn with_caps(caps: u32) -> Rig {
        let clock = Clock::simulated();
        let system = System::builder().clock(clock.clone()).ledger(true).build();
        let record = system.record();
        let told = Told::default();
        let wire: Arc<Wire> = Arc::default();
        let adapters: Arc<Mutex<Vec<CecAdapter>>> = Arc::default();
        let driver = Driver::new("hdmi", &platform_bus(&system));
        driver.set_probe({
            let (told, wire, adapters) =
                (Arc::clone(&told), Arc::clone(&wire), Arc::clone(&adapters));
            move |device| {
                adapters.lock().clear();
                for (index, name) in ["tv", "player"].into_iter().enumerate() {
                    let sending = Arc::default();
                    let ops = ops(&told, &wire, index, &sending);
                    let adap = cec_allocate_adapter(&device.system(), ops, None, name, caps, 2)?;
                    cec_register_adapter(&adap, device)
                        .inspect_err(|_| cec_delete_adapter(&adap))?;
                    let weak = Arc::downgrade(&wire);
                    let work = DelayedWork::new(&device.system(), Some(device), name, move || {
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
                    adapters.lock().push(adap);
                }
                Ok(())
            }
        });
        driver.set_remove({
            let wire = Arc::clone(&wire);
            move |_| {
                let ends: Vec<End> = core::mem::take(&mut *wire.ends.lock());
                for end in &ends {
                    cec_unregister_adapter(&end.adap);
                }
                for end in ends {
                    end.work.stop();
                    end.work.free();
                }
            }
        });
        driver_register(&driver).unwrap();
        let hardware = platform_device_alloc(&system, "hdmi", PlatformId::Id(0)).unwrap();
        platform_device_add(&hardware).unwrap();
        Rig {
            system,
            clock,
            hardware,
            record,
            told,
            wire,
            driver,
            adapters,
        }
    }

    /// Both adapters with their logical addresses: the television is 0, the
    /// player is 4.
    pub(crate) fn configured() -> Rig {
        let rig = Rig::new();
        cec_s_log_addrs(&rig.adap(TV), Some(&television()), true).unwrap();
        cec_s_log_addrs(&rig.adap(PLAYER), Some(&player()), true).unwrap();
        rig.settle();
        rig
    }

    pub(crate) fn adap(&self, index: usize) -> CecAdapter {
        self.adapters.lock()[index].clone()
    }

    pub(crate) fn device(&self, index: usize) -> Device {
        self.adap(index).device().unwrap()
    }

    pub(crate) fn path(&self, index: usize) -> String {
        format!("/dev/{}", self.device(index).name())
    }

    pub(crate) fn open(&self, index: usize) -> OpenFile {
        open(&self.system, &self.path(index), OpenFlags::RDWR).unwrap()
    }

    /// Opens without the first event.
    pub(crate) fn open_quiet(&self, index: usize) -> OpenFile {
        let file = self.open(index);
        dqevent(&file).unwrap();
        file
    }

    /// Lets everything that is under way end.
    pub(crate) fn settle(&self) {
        self.clock.advance(Duration::from_secs(3));
    }

    /// From now on the hardware never ends a message.
    pub(crate) fn get_stuck(&self) {
        *self.wire.stuck.lock() = true;
    }

    /// Takes the hardware away: its driver unregisters the adapters.
    pub(crate) fn unplug(&self) {
        platform_device_unregister(&self.hardware);
    }

    /// What a kernel would have printed a stack trace for.
    pub(crate) fn splats(&self) -> Vec<String> {
        let events = self.record.events();
        let splats = events.iter().filter_map(|event| match &event.kind {
            EventKind::Splat { text, .. } => Some(text.to_string()),
            _ => None,
        });
        splats.collect()
    }

    /// Ends it, and gives what was left behind.
    pub(crate) fn finish(self) -> Vec<String> {
        driver_unregister(&self.driver);
        let leaked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&leaked);
        let subscription = self
            .system
            .subscribe(Arc::new(move |event: &lastfd_model::Event| {
                if let EventKind::Leak { text, .. } = &event.kind {
                    seen.lock().push(text.to_string());
                }
            }));
        let Rig {
            system,
            clock,
            hardware,
            record,
            driver,
            ..
        } = self;
        drop((hardware, record, driver));
        drop(system);
        drop((subscription, clock));
        let leaked = leaked.lock();
        leaked.clone()
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

pub(crate) fn television() -> CecLogAddrs {
    one(CEC_LOG_ADDR_TYPE_TV, CEC_OP_PRIM_DEVTYPE_TV, "TV")
}

pub(crate) fn player() -> CecLogAddrs {
    one(
        CEC_LOG_ADDR_TYPE_PLAYBACK,
        CEC_OP_PRIM_DEVTYPE_PLAYBACK,
        "Player",
    )
}

/// An ioctl with a struct.
pub(crate) fn ioctl<T: FromBytes + IntoBytes>(
    file: &OpenFile,
    cmd: u32,
    mut value: T,
) -> Result<T> {
    file.ioctl_bytes(cmd, value.as_mut_bytes()).map(|_| value)
}

/// [`ioctl`], ended by a signal.
pub(crate) fn ioctl_until<T: FromBytes + IntoBytes + Immutable>(
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

pub(crate) fn dqevent(file: &OpenFile) -> Result<CecEvent> {
    ioctl(file, CEC_DQEVENT, CecEvent::default())
}

pub(crate) fn send(file: &OpenFile, msg: CecMsg) -> Result<CecMsg> {
    ioctl(file, CEC_TRANSMIT, msg)
}

/// Receives, waiting so many milliseconds.
pub(crate) fn receive(file: &OpenFile, timeout: u32) -> Result<CecMsg> {
    let msg = CecMsg {
        timeout,
        ..CecMsg::default()
    };
    ioctl(file, CEC_RECEIVE, msg)
}

pub(crate) fn set_mode(file: &OpenFile, mode: u32) -> Result<u32> {
    ioctl(file, CEC_S_MODE, mode)
}

/// The player asks the television something; the reply wanted, if any.
pub(crate) fn ask(opcode: u8, reply: u8) -> CecMsg {
    CecMsg {
        reply,
        ..CecMsg::new(&[0x40, opcode])
    }
}

//! An HDMI output's CEC adapter with nobody at the other end of the cable: `cec`.

use core::time::Duration;

use lastfd_cec::abi::{
    CEC_CAP_LOG_ADDRS, CEC_CAP_PASSTHROUGH, CEC_CAP_TRANSMIT, CEC_TX_STATUS_MAX_RETRIES,
    CEC_TX_STATUS_NACK, CecMsg,
};
use lastfd_cec::raw::{Capability, TransmitCounts, cec_transmit_done, set_capable};
use lastfd_cec::{Builder, Cec, Driver};
use lastfd_model::resource::DelayedWork;
use lastfd_model::typed::{self, Bound, Device, PlatformDevice};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex};

use crate::fault::{Due, Source};
use crate::kind::{BadValue, Key, Kind};
use crate::plug::{Hardware, Socket, platform_driver};

/// A CEC adapter in an HDMI output.
///
/// It appears as `/dev/cec0` (`cec1`, …) with the name `lastfd-cec`
/// (`lastfd-cec2`, …). Its cable leads to input 1 of a television that does not
/// listen: its physical address is 1.0.0.0, every logical address is free to be
/// claimed, and nobody acknowledges a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CecAdapter {
    /// The name of the adapter; from the second on its number follows, unless it
    /// was named.
    pub name: Option<String>,
    /// Programs have `CAP_NET_ADMIN`, so that they may monitor. It is the System's
    /// programs that have it, whichever adapter they use.
    pub net_admin: bool,
}

const NAME: &str = "lastfd-cec";
const CAPS: u32 = CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT | CEC_CAP_PASSTHROUGH;
const RIGHTS: &str = "none|net-admin";
/// Where the cable leads.
const INPUT_1: u16 = 0x1000;

impl CecAdapter {
    pub(crate) const KIND: Kind = Kind {
        name: "cec",
        summary: "a CEC adapter with nobody at the other end",
        serves: "/dev/cecN",
        keys: &[
            Key {
                name: "name",
                value: "TEXT",
                default: NAME,
                what: "the name of the adapter",
            },
            Key {
                name: "rights",
                value: RIGHTS,
                default: "none",
                what: "what programs have; with net-admin they may monitor",
            },
        ],
        build: |settings| {
            Ok(Box::new(CecAdapter {
                name: crate::dac::name(settings)?,
                net_admin: match settings.get("rights") {
                    None | Some("none") => false,
                    Some("net-admin") => true,
                    Some(_) => {
                        return Err(BadValue {
                            key: "rights",
                            expected: RIGHTS,
                        });
                    }
                },
            }))
        },
    };
}

impl Hardware for CecAdapter {
    fn kind(&self) -> &'static str {
        CecAdapter::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<CecDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        if self.net_admin {
            set_capable(socket.system(), Capability::NetAdmin, true);
        }
        let source = Source::default();
        socket.has_source(&source, &["delay", "drop", "stop", "start"]);
        socket.register(Board {
            name: self.name.clone().unwrap_or_else(|| socket.numbered(NAME)),
            source,
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    name: String,
    /// The interrupts that tell how a message went.
    source: Source,
}

/// The driver: what a probe that succeeded leaves.
struct CecDriver;

impl typed::Driver for CecDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<CecDriver> {
        let sending = Sending::default();
        let sent = Arc::clone(&sending);
        let work = DelayedWork::new(&device.system(), Some(device.raw()), "wire", move || {
            let adapter = sent.lock().take();
            if let Some(adapter) = adapter {
                let status = CEC_TX_STATUS_NACK | CEC_TX_STATUS_MAX_RETRIES;
                let counts = TransmitCounts {
                    nack: 1,
                    ..TransmitCounts::default()
                };
                cec_transmit_done(&adapter, status, counts);
            }
        });
        let work = device.own(work)?;
        let adapter = Builder::new(device, &board.name, CAPS, 1).register(Wire {
            sending,
            work,
            source: board.source.clone(),
        })?;
        adapter.cec().set_phys_addr(Some(INPUT_1));
        Ok(CecDriver)
    }
}

/// Whose message is on the wire.
type Sending = Arc<Mutex<Option<lastfd_cec::raw::CecAdapter>>>;

/// The hardware, as the driver reaches it.
struct Wire {
    sending: Sending,
    work: DelayedWork,
    source: Source,
}

impl Driver for Wire {
    fn enable(&self, _cec: &Cec, on: bool) -> Result {
        if !on {
            // What is on the wire is lost with it.
            let lost = self.sending.lock().take();
            drop(lost);
        }
        Ok(())
    }

    fn transmit(&self, cec: &Cec, _tries: u8, _free_time: u32, msg: &CecMsg) -> Result {
        *self.sending.lock() = Some(cec.raw().clone());
        let time = on_the_wire(msg.len);
        let time = match self.source.due() {
            // Nobody is told how it went: the core gives up by itself.
            Due::Nothing | Due::Lost => return Ok(()),
            Due::Late(more) => time + more,
            Due::Comes | Due::Again | Due::Wrapping => time,
        };
        self.work.schedule(time);
        Ok(())
    }
}

/// How long a message is on the wire: the start bit, then ten bits a byte.
fn on_the_wire(bytes: u32) -> Duration {
    Duration::from_micros(4500 + u64::from(bytes) * 24_000)
}

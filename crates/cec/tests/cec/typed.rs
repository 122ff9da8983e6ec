//! The typed face: an adapter that lives as long as its parent is bound.

use lastfd_cec::abi::*;
use lastfd_cec::raw::TransmitCounts;
use lastfd_cec::{Builder, Cec, Driver};
use lastfd_chrdev::{OpenFlags, open};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::{Arc, Clock, Mutex};

type Told = Arc<Mutex<Vec<&'static str>>>;

/// Hardware that tells what it is told, and takes `<Standby>` itself.
struct Hardware(Told);

impl Driver for Hardware {
    fn enable(&self, _: &Cec, on: bool) -> Result {
        self.0.lock().push(if on { "on" } else { "off" });
        Ok(())
    }

    fn transmit(&self, _: &Cec, _: u8, _: u32, _: &CecMsg) -> Result {
        Err(Errno::EIO)
    }

    fn received(&self, cec: &Cec, msg: &CecMsg) -> bool {
        assert_eq!(cec.raw().name(), "hdmi");
        let own = msg.opcode() == Some(CEC_MSG_STANDBY);
        if own {
            self.0.lock().push("standby");
        }
        own
    }

    fn free(&self) {
        self.0.lock().push("free");
    }
}

struct Probe;

impl typed::Driver for Probe {
    type Info = Told;

    fn probe(device: &Device<Bound>, told: &Told) -> Result<Probe> {
        let caps = CEC_CAP_TRANSMIT | CEC_CAP_LOG_ADDRS;
        let registered =
            Builder::new(device, "hdmi", caps, 1).register(Hardware(Arc::clone(told)))?;
        registered.cec().set_phys_addr(Some(0x1000));
        Ok(Probe)
    }
}

fn system() -> System {
    System::builder().clock(Clock::simulated()).build()
}

#[test]
fn an_adapter_goes_with_its_parents_driver_and_is_freed_with_its_last_file() {
    let system = system();
    let told = Told::default();
    let driver = PlatformDriver::<Probe>::register(&system, "hdmi").unwrap();
    let device = PlatformDevice::register(&system, "hdmi", Arc::clone(&told)).unwrap();
    let file = open(&system, "/dev/cec0", OpenFlags::RDWR).unwrap();
    let mut las = lastfd_rigs::cec::player();
    las.log_addr_type[0] = CEC_LOG_ADDR_TYPE_UNREGISTERED;
    las.primary_device_type[0] = CEC_OP_PRIM_DEVTYPE_SWITCH;
    let las = lastfd_rigs::cec::ioctl(&file, CEC_ADAP_S_LOG_ADDRS, las).unwrap();
    assert_eq!(las.log_addr[0], CEC_LOG_ADDR_UNREGISTERED);
    device.unregister();
    assert_eq!(*told.lock(), ["on", "off"]);
    assert_eq!(
        lastfd_rigs::cec::ioctl(&file, CEC_G_MODE, 0_u32),
        Err(Errno::ENODEV)
    );
    drop(file);
    assert_eq!(*told.lock(), ["on", "off", "free"]);
    drop(driver);
}

#[test]
fn where_registering_fails_nothing_is_left() {
    struct Refused;
    impl typed::Driver for Refused {
        type Info = Told;
        fn probe(device: &Device<Bound>, told: &Told) -> Result<Refused> {
            // Of the allocations, the one of the node fails.
            for nth in 1..=4 {
                device.system().fail_nth(nth);
                let builder = Builder::new(device, "hdmi", CEC_CAP_TRANSMIT, 1);
                let refused = builder.register(Hardware(Arc::clone(told)));
                assert_eq!(refused.err(), Some(Errno::ENOMEM), "allocation {nth}");
            }
            Err(Errno::ENODEV)
        }
    }
    let system = system();
    let record = system.record();
    let told = Told::default();
    let driver = PlatformDriver::<Refused>::register(&system, "hdmi").unwrap();
    let device = PlatformDevice::register(&system, "hdmi", Arc::clone(&told)).unwrap();
    // The first two are before there is an adapter.
    assert_eq!(*told.lock(), ["free", "free"]);
    assert!(system.dev_nodes().is_empty());
    let events = record.events();
    let splats = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Splat { .. }));
    assert_eq!(splats.count(), 0);
    device.unregister();
    drop(driver);
}

#[test]
fn a_driver_takes_messages_before_the_core() {
    let system = system();
    let told = Told::default();
    let cec: Arc<Mutex<Option<lastfd_cec::raw::CecAdapter>>> = Arc::default();
    struct Keep;
    impl typed::Driver for Keep {
        type Info = (Told, Arc<Mutex<Option<lastfd_cec::raw::CecAdapter>>>);
        fn probe(device: &Device<Bound>, (told, cec): &Self::Info) -> Result<Keep> {
            let registered = Builder::new(device, "hdmi", CEC_CAP_LOG_ADDRS, 1)
                .register(Hardware(Arc::clone(told)))?;
            *cec.lock() = Some(registered.cec().raw().clone());
            registered
                .cec()
                .transmit_done(CEC_TX_STATUS_OK, TransmitCounts::default());
            Ok(Keep)
        }
    }
    let driver = PlatformDriver::<Keep>::register(&system, "hdmi").unwrap();
    let info = (Arc::clone(&told), Arc::clone(&cec));
    let device = PlatformDevice::register(&system, "hdmi", info).unwrap();
    let adap = cec.lock().take().unwrap();
    let mut las = lastfd_rigs::cec::player();
    las.log_addr_type[0] = CEC_LOG_ADDR_TYPE_UNREGISTERED;
    lastfd_cec::raw::cec_s_phys_addr(&adap, 0x1000, true);
    lastfd_cec::raw::cec_s_log_addrs(&adap, Some(&las), true).unwrap();
    lastfd_cec::raw::cec_received_msg(&adap, &CecMsg::new(&[0x0f, CEC_MSG_STANDBY]));
    assert_eq!(*told.lock(), ["on", "standby"]);
    drop(adap);
    device.unregister();
    drop(driver);
}

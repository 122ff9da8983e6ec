//! `cec`: an adapter that claims addresses on a wire with nobody else on it.

use core::time::Duration;

use lastfd_abi::cec::*;
use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_model::{Errno, Result};

use crate::{
    every_allocation_that_fails_is_unwound, ioctl, leaks, nothing_is_left_however_it_ends,
    open_node, plug, refused, world,
};

const PATH: &str = "/dev/cec0";

fn caps(file: &OpenFile) -> Result<CecCaps> {
    let mut caps = CecCaps::default();
    ioctl(file, CEC_ADAP_G_CAPS, &mut caps).map(|_| caps)
}

fn claim(file: &OpenFile) -> CecLogAddrs {
    let mut wanted = CecLogAddrs {
        cec_version: CEC_OP_CEC_VERSION_1_4,
        num_log_addrs: 1,
        vendor_id: CEC_VENDOR_ID_NONE,
        ..CecLogAddrs::default()
    };
    wanted.log_addr_type[0] = CEC_LOG_ADDR_TYPE_PLAYBACK;
    wanted.primary_device_type[0] = CEC_OP_PRIM_DEVTYPE_PLAYBACK;
    ioctl(file, CEC_ADAP_S_LOG_ADDRS, &mut wanted).unwrap();
    wanted
}

/// `<Standby>` to the television.
fn standby() -> CecMsg {
    CecMsg::new(&[0x40, CEC_MSG_STANDBY])
}

#[test]
fn an_unplugged_adapter_gives_enodev_and_hangs_up() {
    let (system, _clock) = world();
    let adapter = plug(&system, "cec");
    let file = open_node(&system, PATH);
    let found = caps(&file).unwrap();
    assert!(found.name.starts_with(b"lastfd-cec\0"));
    let mut address = 0_u16;
    ioctl(&file, CEC_ADAP_G_PHYS_ADDR, &mut address).unwrap();
    assert_eq!(address, 0x1000);
    assert_eq!(claim(&file).log_addr[0], CEC_LOG_ADDR_PLAYBACK_1);
    let mut msg = standby();
    ioctl(&file, CEC_TRANSMIT, &mut msg).unwrap();
    assert_eq!(
        msg.tx_status,
        CEC_TX_STATUS_NACK | CEC_TX_STATUS_MAX_RETRIES
    );
    let device = system.dev_node("cec0").unwrap().device;

    adapter.unplug();
    assert_eq!(caps(&file), Err(Errno::ENODEV));
    let events = PollMask::IN | PollMask::PRI | PollMask::OUT;
    assert_eq!(
        file.poll(events, Some(Duration::ZERO)),
        PollMask::PRI | PollMask::ERR | PollMask::HUP
    );
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    assert!(!device.is_released());
    drop(file);
    assert!(device.is_released());
    drop((adapter, device));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn an_adapter_leaves_nothing_behind() {
    nothing_is_left_however_it_ends("cec", PATH, |file, _| {
        claim(file);
    });
    every_allocation_that_fails_is_unwound("cec", 5);
}

#[test]
fn an_adapter_that_goes_while_it_sends_leaves_nothing_behind() {
    nothing_is_left_however_it_ends("cec", PATH, |file, system| {
        claim(file);
        file.set_flags(OpenFlags::NONBLOCK).unwrap();
        ioctl(file, CEC_TRANSMIT, &mut standby()).unwrap();
        system.clock().advance(Duration::from_millis(5));
    });
}

#[test]
fn its_name_can_be_chosen() {
    let (system, _clock) = world();
    let adapters = [plug(&system, "cec:name=den"), plug(&system, "cec")];
    for (path, name) in [("/dev/cec0", "den\0"), ("/dev/cec1", "lastfd-cec2\0")] {
        let found = caps(&open_node(&system, path)).unwrap();
        assert!(found.name.starts_with(name.as_bytes()), "{path}");
    }
    drop(adapters);
    assert_eq!(
        refused("cec:name="),
        "cec: `name=` will not do; name is a name without blanks or newlines"
    );
}

//! Physical and logical addresses.

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFlags, open};
use lastfd_model::Errno;

use lastfd_rigs::cec::*;

#[test]
fn addresses_are_claimed_by_polling_and_announced() {
    let rig = Rig::new();
    let file = rig.open_quiet(PLAYER);
    let las = ioctl(&file, CEC_ADAP_S_LOG_ADDRS, player()).unwrap();
    assert_eq!(las.log_addr, [4, 0xff, 0xff, 0xff]);
    assert_eq!(las.log_addr_mask, 1 << 4);
    rig.settle();
    let told: Vec<String> = rig
        .told
        .lock()
        .iter()
        .filter(|line| line.starts_with("player"))
        .cloned()
        .collect();
    assert_eq!(
        told,
        [
            "player: enable true",
            // The poll nobody answers is tried four times.
            "player: transmit x4 after 5",
            "player: transmit x3 after 3",
            "player: transmit x2 after 3",
            "player: transmit x1 after 3",
            "player: log_addr 0x4",
            // Features, physical address, vendor.
            "player: transmit x4 after 7",
            "player: transmit x4 after 7",
            "player: transmit x4 after 7",
        ]
    );
    let event = dqevent(&file).unwrap();
    let state = event.state_change();
    assert_eq!((state.phys_addr, state.log_addr_mask), (0x1000, 0x10));
}

#[test]
fn an_address_that_somebody_has_is_passed_over() {
    let rig = Rig::new();
    // At the root too: both want to be the television.
    cec_s_phys_addr(&rig.adap(PLAYER), 0, false);
    cec_s_log_addrs(&rig.adap(TV), Some(&television()), true).unwrap();
    cec_s_log_addrs(&rig.adap(PLAYER), Some(&television()), true).unwrap();
    assert_eq!(rig.adap(TV).log_addrs().log_addr[0], CEC_LOG_ADDR_TV);
    assert_eq!(
        rig.adap(PLAYER).log_addrs().log_addr[0],
        CEC_LOG_ADDR_SPECIFIC
    );
}

#[test]
fn with_no_address_left_the_adapter_is_unconfigured_or_unregistered() {
    let rig = Rig::new();
    let mut audio = player();
    audio.log_addr_type[0] = CEC_LOG_ADDR_TYPE_AUDIOSYSTEM;
    audio.primary_device_type[0] = CEC_OP_PRIM_DEVTYPE_AUDIOSYSTEM;
    cec_s_log_addrs(&rig.adap(TV), Some(&audio), true).unwrap();
    let adap = rig.adap(PLAYER);
    cec_s_log_addrs(&adap, Some(&audio), true).unwrap();
    assert!(!adap.is_configured());
    assert_eq!(adap.log_addrs().log_addr_mask, 0);
    cec_s_log_addrs(&adap, None, true).unwrap();
    audio.flags = CEC_LOG_ADDRS_FL_ALLOW_UNREG_FALLBACK;
    cec_s_log_addrs(&adap, Some(&audio), true).unwrap();
    assert!(adap.is_configured());
    assert_eq!(adap.log_addrs().log_addr[0], CEC_LOG_ADDR_UNREGISTERED);
    assert_eq!(adap.log_addrs().log_addr_mask, 1 << 15);
}

#[test]
fn without_a_physical_address_the_claim_waits_for_one() {
    let rig = Rig::new();
    let adap = rig.adap(PLAYER);
    cec_s_phys_addr(&adap, CEC_PHYS_ADDR_INVALID, false);
    cec_s_log_addrs(&adap, Some(&player()), true).unwrap();
    assert!(!adap.is_configured());
    cec_s_phys_addr(&adap, 0x2000, true);
    assert!(adap.is_configured());
    assert!(adap.has_log_addr(4));
    // The address is tried first again after the cable was pulled.
    cec_s_phys_addr(&adap, CEC_PHYS_ADDR_INVALID, true);
    assert!(!adap.is_configured());
    let file = rig.open(PLAYER);
    let las = ioctl(&file, CEC_ADAP_G_LOG_ADDRS, CecLogAddrs::default()).unwrap();
    assert_eq!((las.num_log_addrs, las.log_addr), (1, [0xff; 4]));
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let rig = Rig::new();
    let file = rig.open(PLAYER);
    type Change = fn(&mut CecLogAddrs);
    let changes: &[(&str, Change)] = &[
        ("more than there are", |las| las.num_log_addrs = 3),
        ("a vendor of 25 bits", |las| las.vendor_id = 1 << 24),
        ("no version", |las| las.cec_version = 4),
        ("an unknown type", |las| las.log_addr_type[0] = 7),
        ("device type 2", |las| las.primary_device_type[0] = 2),
        ("an unknown device type", |las| {
            las.primary_device_type[0] = 8
        }),
        ("features without an end", |las| {
            las.features[0] = [0x80; 12]
        }),
        ("one list of features", |las| {
            las.features[0] = [0x80; 12];
            las.features[0][11] = 0;
        }),
        ("the same type twice", |las| {
            las.num_log_addrs = 2;
            las.log_addr_type[1] = las.log_addr_type[0];
        }),
        ("recording and playback", |las| {
            las.num_log_addrs = 2;
            las.log_addr_type[1] = CEC_LOG_ADDR_TYPE_RECORD;
        }),
        ("unregistered and more", |las| {
            las.num_log_addrs = 2;
            las.log_addr_type[1] = CEC_LOG_ADDR_TYPE_UNREGISTERED;
        }),
        ("two players", |las| {
            las.num_log_addrs = 2;
            las.log_addr_type[1] = CEC_LOG_ADDR_TYPE_TUNER;
        }),
    ];
    for (name, change) in changes {
        let mut las = player();
        change(&mut las);
        let refused = ioctl(&file, CEC_ADAP_S_LOG_ADDRS, las);
        assert_eq!(refused.err(), Some(Errno::EINVAL), "{name}");
    }
    let mut both = player();
    both.num_log_addrs = 2;
    both.log_addr_type[1] = CEC_LOG_ADDR_TYPE_AUDIOSYSTEM;
    both.primary_device_type[1] = CEC_OP_PRIM_DEVTYPE_AUDIOSYSTEM;
    let las = ioctl(&file, CEC_ADAP_S_LOG_ADDRS, both).unwrap();
    assert_eq!(las.log_addr_mask, 1 << 4 | 1 << 5);
}

#[test]
fn a_configured_adapter_is_busy_until_its_addresses_are_given_up() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    assert_eq!(
        ioctl(&file, CEC_ADAP_S_LOG_ADDRS, player()).err(),
        Some(Errno::EBUSY)
    );
    ioctl(&file, CEC_ADAP_S_LOG_ADDRS, CecLogAddrs::default()).unwrap();
    assert!(!rig.adap(PLAYER).is_configured());
    assert_eq!(rig.told.lock().last().unwrap(), "player: enable false");
    ioctl(&file, CEC_ADAP_S_LOG_ADDRS, player()).unwrap();
}

#[test]
fn a_call_that_must_not_sleep_leaves_the_claim_to_itself() {
    let rig = Rig::new();
    let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
    let file = open(&rig.system, &rig.path(PLAYER), flags).unwrap();
    let las = ioctl(&file, CEC_ADAP_S_LOG_ADDRS, player()).unwrap();
    assert_eq!(las.log_addr_mask, 0);
    assert_eq!(
        ioctl(&file, CEC_ADAP_S_LOG_ADDRS, player()).err(),
        Some(Errno::EBUSY)
    );
    assert_eq!(send(&file, ask(CEC_MSG_STANDBY, 0)), Err(Errno::ENONET));
    rig.settle();
    assert!(rig.adap(PLAYER).is_configured());
}

#[test]
fn only_an_adapter_that_can_takes_a_physical_address_from_a_program() {
    let rig = Rig::new();
    let file = rig.open(PLAYER);
    assert_eq!(
        ioctl(&file, CEC_ADAP_S_PHYS_ADDR, 0x1000_u16).err(),
        Some(Errno::ENOTTY)
    );
    let rig = Rig::with_caps(CAPS | CEC_CAP_PHYS_ADDR);
    let file = rig.open(PLAYER);
    for wrong in [0x0100_u16, 0x1010, 0x0001, 0x1001] {
        let refused = ioctl(&file, CEC_ADAP_S_PHYS_ADDR, wrong);
        assert_eq!(refused.err(), Some(Errno::EINVAL), "{wrong:#x}");
    }
    for right in [0x0000_u16, 0x1000, 0x1200, 0x1234, 0xffff] {
        ioctl(&file, CEC_ADAP_S_PHYS_ADDR, right).unwrap();
        assert_eq!(ioctl(&file, CEC_ADAP_G_PHYS_ADDR, 0_u16), Ok(right));
    }
}

#[test]
fn hardware_that_needs_the_hot_plug_pin_is_on_only_with_an_address() {
    let rig = Rig::with_caps(CAPS | CEC_CAP_NEEDS_HPD);
    let adap = rig.adap(PLAYER);
    cec_s_log_addrs(&adap, Some(&player()), true).unwrap();
    rig.settle();
    rig.told.lock().clear();
    cec_s_phys_addr(&adap, CEC_PHYS_ADDR_INVALID, true);
    // Its addresses are not taken back: it is off.
    assert_eq!(*rig.told.lock(), ["player: enable false"]);
    rig.told.lock().clear();
    cec_s_phys_addr(&adap, 0x1000, true);
    assert_eq!(rig.told.lock()[0], "player: enable true");
}

#[test]
fn the_physical_address_may_change_while_addresses_are_claimed() {
    let rig = Rig::new();
    let adap = rig.adap(PLAYER);
    cec_s_log_addrs(&adap, Some(&player()), false).unwrap();
    cec_s_phys_addr(&adap, 0x3000, false);
    rig.settle();
    assert!(adap.is_configured());
    assert_eq!(adap.phys_addr(), 0x3000);
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn the_connector_is_told_if_the_adapter_can() {
    let rig = Rig::new();
    let file = rig.open(PLAYER);
    let info = CecConnectorInfo::default();
    assert_eq!(
        ioctl(&file, CEC_ADAP_G_CONNECTOR_INFO, info).err(),
        Some(Errno::ENOTTY)
    );
    let rig = Rig::with_caps(CAPS | CEC_CAP_CONNECTOR_INFO);
    let file = rig.open_quiet(PLAYER);
    let mut drm = CecConnectorInfo {
        type_: CEC_CONNECTOR_TYPE_DRM,
        ..info
    };
    drm.raw[..2].copy_from_slice(&[1, 42]);
    cec_s_conn_info(&rig.adap(PLAYER), Some(&drm));
    assert_eq!(ioctl(&file, CEC_ADAP_G_CONNECTOR_INFO, info), Ok(drm));
    assert_eq!(dqevent(&file).unwrap().state_change().have_conn_info, 1);
}

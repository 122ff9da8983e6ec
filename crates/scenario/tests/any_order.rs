//! The raw face takes every call in every state: calls in any order end, whatever a
//! kernel would have made of them.

use lastfd_model::Rules;
use lastfd_scenario::parse;
use proptest::prelude::*;

/// What every scenario here begins with.
const WORLD: &str = r#"scenario s
bus lf_bus "lfbus" match=prefix
probe plain
  devm_add_action self act A1
  devm_add_action self act_state self
  return_nth 3 -EINVAL
end
probe parent
  device K parent=self
  try device_add K
  devm_add_action self act_unregister K
  iio = devm_iio_device_alloc self
  iio_info iio "lfiio"
  iio_voltage_channel iio 0
  try devm_iio_kfifo_buffer_setup self iio
  return_nth 2 -EPROBE_DEFER
  rc = devm_iio_device_register self iio
  return rc
end
remove adds
  devm_add_action self act A3
  devm_add_action self act adds
end
action again
  devm_add_action root again x
  devm_release_action root act A1
  device_unregister x1
end
each unregisters
  device_unregister self
end
each binds
  rc = device_attach self
end
driver LD1 "x" bus=lf_bus probe=plain remove=adds
driver LD2 "x1" bus=lf_bus probe=parent
platform_driver PD1 "p" probe=parent remove=adds
bus_register lf_bus
device P
device C parent=P
device x1 bus=lf_bus parent=P
device x2 bus=lf_bus parent=C
platform_device p1 "p" 1
platform_device p2 "p" auto parent=P
root = root_device_register "root"
track root
hook answers
  print "answers {root.ref}"
  return 2
end
file_operations fops open=answers read=answers write=answers ioctl=answers release=answers
cdev_init cdev fops
alloc_chrdev_region dt "s"
cls = class_create "s"
device node name="node" class=cls devt=dt parent=P type=none
r1 = devres_alloc dr_rel R1
k1 = devm_kzalloc root 8
g1 = devres_open_group root NULL
hook says
  print "says"
end
drm_driver m_drv "m" open=says postclose=says lastclose=says unload=says release=says
cec_adap_ops p_ops adap_enable=says adap_log_addr=says adap_transmit=says adap_free=says
probe frameworks
  devm_iio_map_array_register self iio2 "ds0" "lf-P" "cc"
  drm = devm_drm_dev_alloc self m_drv
  try drmm_add_action drm dact DM1
  drm_bridge TB self attach=says detach=says detect=says
  try devm_drm_bridge_add self TB
  try drmm_encoder_init enc drm
  try drm_bridge_attach enc TB
  try drm_dev_register drm
  v4l2_device v4l release=says
  try v4l2_device_register self v4l
  video_device vdev v4l open=says close=says release=says
  try video_register_device vdev
  cec = cec_allocate_adapter p_ops "m"
  try cec_register_adapter cec self
end
platform_driver PD2 "m" probe=frameworks
platform_driver_register PD2
platform_device m1 "m" 1
iio2 = devm_iio_device_alloc root
iio_info iio2 "lfiio"
iio_voltage_channel iio2 0 datasheet_name="ds0"
devm_iio_device_register root iio2
ch = iio_channel_get P "cc"
probe links
  devm_add_action self act A1
  lnk = device_link_add self p1 DL_FLAG_AUTOREMOVE_CONSUMER
end
platform_driver PD3 "l" probe=links
platform_driver_register PD3
platform_device q1 "l" 1
"#;

/// Calls; `@` is a number that no other line has.
const CALLS: &[&str] = &[
    "> device_add P",
    "> device_add C",
    "> device_add x1",
    "> device_add x2",
    "> device_add K",
    "> device_del P",
    "> device_del x1",
    "> device_unregister P",
    "> device_unregister C",
    "> device_unregister x1",
    "> device_unregister x2",
    "> device_unregister K",
    "> device_unregister p1",
    "> root_device_unregister root",
    "> platform_device_add p1",
    "> platform_device_add p2",
    "> platform_device_put p2",
    "> platform_device_unregister p1",
    "> platform_device_unregister p2",
    "> driver_register LD1",
    "> driver_register LD2",
    "> driver_unregister LD1",
    "> driver_unregister LD2",
    "> platform_driver_register PD1",
    "> platform_driver_unregister PD1",
    "> driver_attach LD1",
    "> driver_attach PD1",
    "> device_attach x1",
    "> device_attach p1",
    "> device_driver_attach LD2 x1",
    "> device_driver_attach LD2 p1",
    "> device_reprobe p1",
    "> device_release_driver x1",
    "> device_release_driver p1",
    "> device_for_each_child P unregisters",
    "> device_for_each_child_reverse P binds",
    "bus_register_notifier lf_bus",
    "bus_unregister_notifier lf_bus",
    "> bus_rescan_devices lf_bus",
    "> bus_unregister lf_bus",
    "> bus_register lf_bus",
    "> get_device P",
    "> get_device x1",
    "> get_device root",
    "> get_device p1",
    "> put_device P",
    "> put_device x1",
    "> put_device root",
    "> put_device p1",
    "> put_device iio",
    "> devm_add_action root act A1",
    "> devm_add_action root act_put root",
    "> devm_add_action root act_unregister P",
    "> devm_add_action P act_unregister P",
    "> devm_add_action x1 act_put x1",
    "> devm_add_action x1 again x",
    "> devm_add_action p1 act_unregister p1",
    "> devm_add_action_or_reset root again x",
    "> devm_release_action root again x",
    "> devm_remove_action root act A1",
    "> devm_kfree root k1",
    "> mem@ = devm_krealloc root k1 64",
    "> mem@ = devm_kstrdup x1 \"x\"",
    "> devres_add root r1",
    "> devres_release root dr_rel R1",
    "> taken@ = devres_remove root dr_rel any",
    "> devres_open_group root G1",
    "> devres_close_group root g1",
    "> devres_close_group root NULL",
    "> devres_remove_group root G1",
    "> devres_release_group root g1",
    "> devres_release_group root NULL",
    "> devres_release_all root",
    "> devres_release_all p1",
    "fail_nth 1",
    "fail_nth 3",
    "probe_returns PD1 -ENODEV",
    "probe_returns PD1 0",
    "> cdev_device_add cdev node",
    "> cdev_device_del cdev node",
    "> open@ = open \"/dev/node\" O_RDWR",
    "> open@ = open \"/dev/iio:device0\" O_RDONLY",
    "> read f 2",
    "> write f \"x\"",
    "> poll f",
    "> ioctl f 0x1234",
    "> close f",
    "> f = open \"/dev/iio:device0\" O_RDONLY",
    "> sysfs_write iio \"buffer0/in_voltage0_en\" \"1\"",
    "> sysfs_write iio \"buffer0/enable\" \"1\"",
    "> sysfs_read iio \"in_voltage0_raw\"",
    "> iio_device_register iio",
    "> iio_device_unregister iio",
    "> iio_device_free iio",
    "> iio_device_get iio",
    "> kthread_read thread@ f 2",
    "> device_move C x1",
    "> device_move x1 C",
    "> device_move P P",
    "> device_move p1 NULL",
    "> device_move node root",
    "> device_rename C \"x1\"",
    "> device_rename node \"other\"",
    "> platform_device_add m1",
    "> platform_device_unregister m1",
    "> device_release_driver m1",
    "> device_attach m1",
    "> drm@ = devm_drm_dev_alloc root m_drv",
    "> drm_dev_register drm",
    "> drm_dev_unregister drm",
    "> drm_dev_unplug drm",
    "> drm_dev_get drm",
    "> drm_dev_put drm",
    "drm_dev_enter drm",
    "ref drm",
    "> drmm_add_action drm again x",
    "> drmm_add_action_or_reset drm act_unregister m1",
    "> drmm_release_action drm dact DM1",
    "> drmm_kzalloc drm 8",
    "> drm_bridge_attach enc TB",
    "> drm_bridge_detect TB",
    "> devm_drm_bridge_add root TB",
    "> drmm_encoder_init enc@ drm",
    "print \"{TB.late}\"",
    "> kdev@ = drm_primary_kdev drm",
    "> card@ = open \"/dev/dri/card0\" O_RDWR",
    "> cec@ = cec_allocate_adapter p_ops \"other\"",
    "> cec_register_adapter cec root",
    "> cec_register_adapter cec m1",
    "> cec_unregister_adapter cec",
    "> cec_delete_adapter cec",
    "> cecfile@ = open \"/dev/cec0\" O_RDWR",
    "> put_device cec",
    "> v4l2_device_register root v4l",
    "> v4l2_device_get v4l",
    "> v4l2_device_put v4l",
    "> v4l2_device_disconnect v4l",
    "> v4l2_device_unregister v4l",
    "> video_register_device vdev",
    "> video_unregister_device vdev",
    "> put_device vdev",
    "ref v4l",
    "> video@ = open \"/dev/video0\" O_RDWR",
    "> devm_iio_map_array_register root iio2 \"ds0\" \"lf-P\" \"cc\"",
    "> ch@ = iio_channel_get P \"cc\"",
    "> ch@ = devm_iio_channel_get P \"cc\"",
    "> iio_read_channel_raw ch",
    "> iio_read_channel_processed ch",
    "> iio_write_channel_raw ch 1",
    "> iio_channel_release ch",
    "info iio2",
    "> platform_device_add q1",
    "> platform_device_unregister q1",
    "> device_release_driver q1",
    "> l@ = device_link_add x1 x2 0",
    "> l@ = device_link_add x2 x1 DL_FLAG_STATELESS",
    "> l@ = device_link_add x2 p1 DL_FLAG_AUTOREMOVE_SUPPLIER",
    "> l@ = device_link_add p1 m1 DL_FLAG_AUTOPROBE_CONSUMER",
    "> l@ = device_link_add p1 P DL_FLAG_SYNC_STATE_ONLY",
    "> device_link_remove x2 x1",
    "> device_link_del lnk",
    "print \"{lnk.state} {lnk.flags} {lnk.same}\"",
    "> write_file \"/sys/bus/platform/drivers/p/bind\" \"p.1\"",
    "> write_file \"/sys/bus/platform/drivers/p/unbind\" \"p.1\"",
    "> write_file \"/sys/bus/lfbus/drivers/x/unbind\" \"lf-x1\"",
    "> write_file \"/sys/bus/lfbus/drivers_probe\" \"lf-x1\"",
    "> write_file \"/sys/bus/platform/devices/p.1/driver_override\" \"m\"",
    "> read_file \"/sys/bus/lfbus/drivers_autoprobe\"",
    "probe_returns PD1 -EPROBE_DEFER",
    "> unregister_chrdev_region dt",
    "> class_destroy cls",
    "dev_set_drvdata x1 set",
    "> dev_set_name C \"root\"",
    "settle",
    "ref P",
    "ref x1",
    "bound p1",
    "print \"{root.driver} {P.registered} {x1.parent}\"",
];

fn scenario(calls: &[usize]) -> String {
    let mut text = WORLD.to_owned();
    // A name is defined once.
    let mut opened = false;
    for (at, call) in calls.iter().enumerate() {
        let line = CALLS[*call].replace('@', &at.to_string());
        let opens = line.starts_with("> f = ");
        let uses = line.contains(" f ") || line.ends_with(" f");
        if (opens && opened) || (uses && !opens && !opened) {
            continue;
        }
        opened |= opens;
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn ends(calls: &[usize], rules: Rules) {
    let text = scenario(calls);
    let trace = match parse("any.scenario", &text) {
        Ok(scenario) => scenario.run(rules).to_string(),
        Err(error) => panic!("{error}"),
    };
    assert!(trace.ends_with(" END\n"), "{text}\n{trace}");
    assert!(!trace.contains("panicked"), "{text}\n{trace}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calls_in_any_order_end(calls in proptest::collection::vec(0..CALLS.len(), 0..60), older: bool) {
        ends(&calls, if older { Rules::LinuxPre6_6 } else { Rules::Linux6_12 });
    }
}

#[test]
fn each_call_alone_ends() {
    for call in 0..CALLS.len() {
        for rules in Rules::ALL {
            ends(&[call], rules);
            ends(&[call, call], rules);
        }
    }
}

#[test]
fn bodies_that_call_themselves_are_ended_by_depth_and_by_number() {
    let text = "scenario s\n\
                each again\n\
                rc = device_for_each_child P again\n\
                print \"{self.tag}\"\n\
                end\n\
                device P\n\
                device_add P\n";
    let mut world = text.to_owned();
    for child in ["a", "b", "c"] {
        world.push_str(&format!("device {child} parent=P\ndevice_add {child}\n"));
    }
    world.push_str("> device_for_each_child P again\n");
    let scenario = parse("s.scenario", &world).unwrap_or_else(|e| panic!("{e}"));
    let trace = scenario.run(Rules::Linux6_12).to_string();
    assert!(
        trace.contains("note: again is not run: bodies are too deep"),
        "{trace}"
    );
    assert!(trace.contains("note: too many statements, the rest is not run"));
    assert!(trace.ends_with(" END\n"));
}

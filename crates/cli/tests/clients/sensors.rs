//! iio-sensor-proxy, which desktops have their sensors from, on a bus of our own.

use crate::user::{User, is_there, text};

/// A bus on which everybody may be everything.
pub(crate) const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// The proxy, and a monitor that is ended as soon as it heard of every sensor.
pub(crate) const SESSION: &str = r#"
export DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS
iio-sensor-proxy & proxy=$!
stdbuf -oL monitor-sensor > said & monitor=$!
tail -f --pid=$monitor said | while read -r line; do
    echo "$line"
    case "$line" in *"changed: normal"*) orientation=1;; *"changed: 250.0"*) light=1;; esac
    case "$line" in *"Proximity value changed: 1"*) near=1;; esac
    test "$orientation$light$near" = 111 && kill $monitor && break
done
kill $proxy
wait
"#;

/// Of an accelerometer of this name it asks for the trigger, and reads the buffer.
pub(crate) const DEVICES: &[&str] = &[
    "accel:name=accel_3d,y=-16384,z=0",
    "light:lux=250",
    "proximity:raw=500",
];

#[test]
fn iio_sensor_proxy_tells_monitor_sensor_of_every_sensor() {
    let programs = ["iio-sensor-proxy", "monitor-sensor", "dbus-run-session"];
    if !programs.iter().all(|program| is_there(program)) {
        return;
    }
    let user = User::new();
    let bus = user.file("bus.conf", BUS);
    let config = format!("--config-file={}", bus.display());
    let command = ["dbus-run-session", &config, "--", "sh", "-c", SESSION];
    let output = user.run(DEVICES, &command).output().unwrap();
    let said = text(&output);
    for words in [
        "Has accelerometer",
        "Has ambient light sensor",
        "Has proximity sensor",
        "Accelerometer orientation changed: normal",
        "Light changed: 250.000000 (lux)",
        "Proximity value changed: 1",
        // It was through the buffer, with the trigger of its device.
        "store buffer/enable = 1",
        "verdict: clean",
    ] {
        assert!(said.contains(words), "no `{words}`: {said}");
    }
}

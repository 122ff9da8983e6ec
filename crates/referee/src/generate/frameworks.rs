//! Devices of the frameworks, their nodes and open files.

use super::{Framework, Maker, Node};

impl Maker {
    /// What a driver's probe does to register a framework's device, and its remove.
    pub(super) fn framework_in_probe(
        &mut self,
        framework: Framework,
        probe: &mut Vec<String>,
        remove: &mut Vec<String>,
    ) {
        match framework {
            Framework::Iio => self.iio(probe),
            Framework::Drm => self.drm(probe, remove),
            Framework::V4l2 => self.v4l2(probe, remove),
            Framework::Cec => self.cec(probe, remove),
        }
    }

    fn hook(&mut self, what: &str) -> String {
        let name = self.fresh("hook");
        self.bodies.push(format!("hook {name}"));
        self.bodies.push(format!("  print \"{what}\""));
        self.bodies.push("end".to_owned());
        name
    }

    fn iio(&mut self, probe: &mut Vec<String>) {
        let iio = self.fresh("iio");
        probe.push(format!("{iio} = devm_iio_device_alloc self"));
        probe.push(format!("track {iio}"));
        probe.push(format!("iio_info {iio} \"lfiio\""));
        probe.push(format!("iio_voltage_channel {iio} 0"));
        if self.dice.percent(60) {
            probe.push(format!("devm_iio_kfifo_buffer_setup self {iio}"));
        }
        let word = self.fresh("A");
        probe.push(format!("devm_add_action self act {word}"));
        probe.push(format!("rc = devm_iio_device_register self {iio}"));
        probe.push(format!("print \"register rc={{rc}} {{{iio}.name}}\""));
        probe.push(format!("ref {iio}"));
        self.nodes.push(Node {
            path: format!("/dev/{{{iio}.name}}"),
            framework: Framework::Iio,
            object: iio,
            files: Vec::new(),
        });
    }

    fn drm(&mut self, probe: &mut Vec<String>, remove: &mut Vec<String>) {
        let (driver, drm, kdev) = (self.fresh("drmdrv"), self.fresh("drm"), self.fresh("kdev"));
        let mut hooks = String::new();
        for key in ["open", "postclose", "unload", "release"] {
            if self.dice.percent(60) {
                let hook = self.hook(&format!("drm_driver.{key}"));
                hooks.push_str(&format!(" {key}={hook}"));
            }
        }
        self.bodies
            .push(format!("drm_driver {driver} \"lfdrm\"{hooks}"));
        probe.push(format!("{drm} = devm_drm_dev_alloc self {driver}"));
        let actions = 1 + self.dice.below(2);
        for _ in 0..actions {
            let word = self.fresh("DM");
            probe.push(format!("drmm_add_action {drm} dact {word}"));
        }
        probe.push(format!("{kdev} = drm_primary_kdev {drm}"));
        probe.push(format!("track {kdev}"));
        probe.push(format!("rc = drm_dev_register {drm}"));
        probe.push("print \"drm_dev_register rc={rc}\"".to_owned());
        probe.push(format!("ref {drm}"));
        probe.push(format!("ref {kdev}"));
        let end = if self.dice.percent(70) {
            "drm_dev_unplug"
        } else {
            "drm_dev_unregister"
        };
        remove.push(format!("{end} {drm}"));
        remove.push(format!("drm_dev_enter {drm}"));
        remove.push(format!("ref {drm}"));
        self.nodes.push(Node {
            path: format!("/dev/dri/{{{kdev}.name}}"),
            framework: Framework::Drm,
            object: drm,
            files: Vec::new(),
        });
    }

    fn v4l2(&mut self, probe: &mut Vec<String>, remove: &mut Vec<String>) {
        let (v4l2, video) = (self.fresh("v4l2dev"), self.fresh("vdev"));
        let release = self.fresh("hook");
        self.bodies.push(format!("hook {release}"));
        self.bodies
            .push("  print \"v4l2_device.release\"".to_owned());
        self.bodies.push(format!("  v4l2_device_unregister {v4l2}"));
        self.bodies.push("end".to_owned());
        let opens = self.hook("v4l2 open");
        let closes = self.hook("v4l2 release");
        let gone = self.hook("video_device.release");
        probe.push(format!("v4l2_device {v4l2} release={release}"));
        probe.push(format!("rc = v4l2_device_register self {v4l2}"));
        probe.push("print \"v4l2_device_register rc={rc}\"".to_owned());
        probe.push(format!(
            "video_device {video} {v4l2} open={opens} close={closes} release={gone}"
        ));
        probe.push(format!("rc = video_register_device {video}"));
        probe.push(format!(
            "print \"video_register_device rc={{rc}} {{{video}.name}}\""
        ));
        probe.push(format!("track {video}"));
        probe.push(format!("ref {video}"));
        probe.push(format!("ref {v4l2}"));
        remove.push(format!("video_unregister_device {video}"));
        remove.push(format!("v4l2_device_disconnect {v4l2}"));
        remove.push(format!("v4l2_device_put {v4l2}"));
        remove.push(format!("ref {v4l2}"));
        self.nodes.push(Node {
            path: format!("/dev/{{{video}.name}}"),
            framework: Framework::V4l2,
            object: v4l2,
            files: Vec::new(),
        });
    }

    fn cec(&mut self, probe: &mut Vec<String>, remove: &mut Vec<String>) {
        let (ops, cec) = (self.fresh("cecops"), self.fresh("cec"));
        let mut hooks = String::new();
        for key in ["adap_enable", "adap_log_addr", "adap_transmit", "adap_free"] {
            let hook = self.hook(&format!("cec {key}"));
            hooks.push_str(&format!(" {key}={hook}"));
        }
        self.bodies.push(format!("cec_adap_ops {ops}{hooks}"));
        probe.push(format!("{cec} = cec_allocate_adapter {ops} \"lfcec\""));
        probe.push(format!("rc = cec_register_adapter {cec} self"));
        probe.push(format!(
            "print \"cec_register_adapter rc={{rc}} {{{cec}.name}}\""
        ));
        probe.push(format!("track {cec}"));
        probe.push(format!("ref {cec}"));
        remove.push(format!("cec_unregister_adapter {cec}"));
        remove.push(format!("ref {cec}"));
        self.nodes.push(Node {
            path: format!("/dev/{{{cec}.name}}"),
            framework: Framework::Cec,
            object: cec,
            files: Vec::new(),
        });
    }

    /// Opens a node, uses an open file, or closes it.
    pub(super) fn use_node(&mut self) {
        if self.nodes.is_empty() {
            return;
        }
        let at = self.dice.below(self.nodes.len());
        let (path, framework) = (self.nodes[at].path.clone(), self.nodes[at].framework);
        let file = self.dice.pick(&self.nodes[at].files).cloned();
        let Some(file) = file.filter(|_| self.dice.percent(70)) else {
            let file = self.fresh("file");
            let flags = match framework {
                Framework::Iio => "O_RDONLY|O_NONBLOCK",
                _ => *self
                    .dice
                    .pick(&["O_RDWR", "O_RDWR|O_NONBLOCK"])
                    .unwrap_or(&"O_RDWR"),
            };
            self.line(format!("> {file} = open \"{path}\" {flags}"));
            self.nodes[at].files.push(file);
            return;
        };
        match self.dice.below(10) {
            0..3 => {
                self.line(format!("> close {file}"));
                self.nodes[at].files.retain(|f| *f != file);
            }
            3..6 => self.line(format!("> poll {file}")),
            6 if framework == Framework::Iio => self.line(format!("> read {file} 16")),
            _ => {
                let cmd = match framework {
                    Framework::Iio | Framework::Cec => "0x1234",
                    Framework::Drm => "DRM_IOCTL_DROP_MASTER",
                    Framework::V4l2 => "VIDIOC_LOG_STATUS",
                };
                self.line(format!("> ioctl {file} {cmd}"));
            }
        }
    }

    pub(super) fn close_all(&mut self) {
        for at in 0..self.nodes.len() {
            for file in std::mem::take(&mut self.nodes[at].files) {
                self.line(format!("> close {file}"));
            }
        }
    }

    /// A reference that the framework itself counts, taken and given back.
    pub(super) fn hold_framework(&mut self) {
        if let Some(put) = self.framework_refs.pop() {
            self.call(&put);
            return;
        }
        if self.nodes.is_empty() {
            return;
        }
        let at = self.dice.below(self.nodes.len());
        let object = self.nodes[at].object.clone();
        match self.nodes[at].framework {
            Framework::Drm => {
                self.line(format!("drm_dev_enter {object}"));
                self.line(format!("ref {object}"));
            }
            Framework::V4l2 => self.line(format!("ref {object}")),
            Framework::Iio => self.line(format!("info {object}")),
            Framework::Cec => self.line(format!("ref {object}")),
        }
    }
}

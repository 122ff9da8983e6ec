//! What callbacks do, and managed resources.

use super::{DevState, Framework, Maker};

impl Maker {
    /// A word for an action to print; now and then one that was used before.
    fn word(&mut self, prefix: &str) -> String {
        if self.count > 2 && self.dice.percent(12) {
            let before = 1 + self.dice.below(self.count as usize);
            return format!("{prefix}{before}");
        }
        self.fresh(prefix)
    }

    fn body(&mut self, kind: &str, name: &str, lines: &[String]) {
        self.bodies.push(format!("{kind} {name}"));
        self.bodies.extend(lines.iter().map(|l| format!("  {l}")));
        self.bodies.push("end".to_owned());
    }

    /// An `each` body that prints, and now and then stops or does more.
    pub(super) fn each_body(&mut self) -> String {
        let name = self.fresh("each");
        let mut lines = vec!["print \"child {self.tag} ref={self.ref}\"".to_owned()];
        if self.dice.percent(25) {
            let word = self.fresh("E");
            lines.push(format!("devm_add_action self act {word}"));
        }
        if self.dice.percent(25) {
            let nth = 1 + self.dice.below(2);
            lines.push(format!("return_nth {nth} 7"));
        }
        self.body("each", &name, &lines);
        name
    }

    /// A managed resource of a device that is there, from the outside.
    pub(super) fn manage(&mut self) {
        let Some(at) = self.some_device(|_| true) else {
            return;
        };
        let name = self.devices[at].name.clone();
        let alive = self.devices[at].state == DevState::Added;
        if alive && self.dice.percent(12) {
            // A reference that a managed action gives back.
            self.line(format!("get_device {name}"));
            self.line(format!("> devm_add_action {name} act_put {name}"));
            return;
        }
        if alive && self.dice.percent(10) && self.owns_another(at) {
            return;
        }
        if self.dice.percent(25) {
            self.group(at);
            return;
        }
        let calls = self.resources(&name, 1);
        for call in calls {
            self.call_or_line(&call);
        }
    }

    /// A step where a step may stand.
    fn call_or_line(&mut self, line: &str) {
        let call = line.starts_with("dev") || line.contains(" = dev");
        match call && self.dice.percent(40) {
            true => self.line(format!("> {line}")),
            false => self.line(line),
        }
    }

    /// A managed action that unregisters another device.
    fn owns_another(&mut self, at: usize) -> bool {
        let name = self.devices[at].name.clone();
        let plain = |d: &super::Dev| {
            d.state == DevState::Added
                && !d.owned
                && d.held == 0
                && d.name != name
                && matches!(d.kind, super::DevKind::Plain { .. })
        };
        let Some(other) = self.some_device(plain) else {
            return false;
        };
        self.devices[other].owned = true;
        self.devices[other].state = DevState::Gone;
        let other = self.devices[other].name.clone();
        self.line(format!("> devm_add_action {name} act_unregister {other}"));
        true
    }

    fn group(&mut self, at: usize) {
        let name = self.devices[at].name.clone();
        let open = self.devices[at].open_groups.clone();
        if open.is_empty() || self.dice.percent(40) {
            let group = self.fresh("G");
            self.line(format!("> devres_open_group {name} {group}"));
            self.devices[at].open_groups.push(group);
            return;
        }
        let group = match self.dice.percent(25) {
            true => "NULL".to_owned(),
            false => self.dice.pick(&open).cloned().unwrap_or_default(),
        };
        let call = self.dice.weighted(&[
            (4, "devres_close_group"),
            (3, "devres_release_group"),
            (2, "devres_remove_group"),
        ]);
        self.line(format!("> {call} {name} {group}"));
        if call != "devres_close_group" && self.dice.percent(80) {
            self.devices[at].open_groups.retain(|g| *g != group);
        }
    }

    /// Statements that add managed resources to a device, or take some from it.
    fn resources(&mut self, device: &str, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..most {
            let word = self.word("A");
            match self.dice.below(20) {
                0..6 => lines.push(format!("devm_add_action {device} act {word}")),
                6..8 => lines.push(format!("devm_add_action {device} act_b {word}")),
                8 => lines.push(format!("devm_add_action_or_reset {device} act {word}")),
                9 => lines.push(format!("devm_add_action {device} act_state {device}")),
                10..12 => {
                    let (devres, word) = (self.fresh("res"), self.word("D"));
                    let release = *self.dice.pick(&["dr_rel", "dr_rel2"]).unwrap_or(&"dr_rel");
                    lines.push(format!("{devres} = devres_alloc {release} {word}"));
                    lines.push(format!("devres_add {device} {devres}"));
                }
                12 => {
                    let word = self.word("D");
                    let call = self
                        .dice
                        .weighted(&[(2, "devres_release"), (2, "devres_destroy")]);
                    let what = *self.dice.pick(&[word.as_str(), "any"]).unwrap_or(&"any");
                    lines.push(format!("{call} {device} dr_rel {what}"));
                }
                13 => lines.push(format!("devm_release_action {device} act {word}")),
                14 => lines.push(format!("devm_remove_action {device} act {word}")),
                15 => {
                    let memory = self.fresh("mem");
                    lines.push(format!("{memory} = devm_kzalloc {device} 32"));
                    if self.dice.percent(40) {
                        lines.push(format!("devm_kfree {device} {memory}"));
                    }
                }
                16 if device != "self" => {
                    let body = self.action_body(device);
                    lines.push(format!("devm_add_action {device} {body} {word}"));
                }
                17 => {
                    let set = *self.dice.pick(&["set", "NULL"]).unwrap_or(&"set");
                    lines.push(format!("dev_set_drvdata {device} {set}"));
                }
                18 => {
                    let find = self.fresh("found");
                    let word = self.word("D");
                    lines.push(format!("{find} = devres_find {device} dr_rel {word}"));
                    lines.push(format!("print \"{word}: {{{find}.found}}\""));
                }
                _ => lines.push(format!("devm_add_action {device} act {word}")),
            }
        }
        lines
    }

    /// An action that acts: it may add to the device that is being taken apart.
    fn action_body(&mut self, device: &str) -> String {
        let name = self.fresh("acts");
        let mut lines = vec![format!("print \"{name} enter\"")];
        match self.dice.below(6) {
            0 | 1 => {
                let word = self.fresh("A");
                lines.push(format!("rc = devm_add_action {device} act {word}"));
                lines.push("print \"rc={rc}\"".to_owned());
            }
            2 => {
                let word = self.word("A");
                lines.push(format!("devm_release_action {device} act {word}"));
            }
            3 => {
                let word = self.word("D");
                lines.push(format!("rc = devres_release {device} dr_rel {word}"));
                lines.push("print \"rc={rc}\"".to_owned());
            }
            4 => {
                let group = self.word("G");
                lines.push(format!("rc = devres_release_group {device} {group}"));
                lines.push("print \"rc={rc}\"".to_owned());
            }
            _ => {
                lines.push(format!("get_device {device}"));
                lines.push(format!("ref {device}"));
                lines.push(format!("put_device {device}"));
            }
        }
        lines.push(format!("print \"{name} leave\""));
        self.body("action", &name, &lines);
        name
    }

    /// The probe and remove of a driver.
    pub(super) fn driver_bodies(
        &mut self,
        driver: &str,
        framework: Option<Framework>,
        child: bool,
    ) -> (Option<String>, Option<String>) {
        if framework.is_none() && !child && self.dice.percent(15) {
            return (None, None);
        }
        let mut probe = Vec::new();
        let mut remove = Vec::new();
        if self.dice.percent(50) {
            probe.push("dev_set_drvdata self set".to_owned());
        }
        let before = self.dice.below(3);
        probe.extend(self.resources("self", before));
        if self.dice.percent(20) {
            let group = self.fresh("G");
            probe.push(format!("devres_open_group self {group}"));
            probe.extend(self.resources("self", 2));
            let end = self.dice.weighted(&[
                (3, Some("devres_close_group")),
                (2, Some("devres_remove_group")),
                (2, Some("devres_release_group")),
                (1, None),
            ]);
            if let Some(end) = end {
                probe.push(format!("{end} self {group}"));
            }
        }
        if self.dice.percent(15) {
            probe.push("get_device self".to_owned());
            probe.push("devm_add_action self act_put self".to_owned());
        }
        if child {
            self.child_in_probe(&mut probe);
        }
        if let Some(framework) = framework {
            self.framework_in_probe(framework, &mut probe, &mut remove);
        }
        let after = self.dice.below(3);
        probe.extend(self.resources("self", after));
        if framework.is_none() && self.dice.percent(25) {
            let error = *self
                .dice
                .pick(&["-ENODEV", "-EINVAL", "-ENOMEM"])
                .unwrap_or(&"-EIO");
            let error = match self.behind && self.dice.percent(40) {
                true => "-EPROBE_DEFER",
                false => error,
            };
            let line = match self.dice.percent(40) {
                true => format!("return {error}"),
                false => format!("return_nth {} {error}", 1 + self.dice.below(2)),
            };
            probe.push(line);
        }
        if self.dice.percent(30) {
            let more = self.resources("self", 1);
            remove.splice(0..0, more);
        }
        let probe_name = format!("{driver}_probe");
        self.body("probe", &probe_name, &probe);
        if remove.is_empty() {
            return (Some(probe_name), None);
        }
        let remove_name = format!("{driver}_remove");
        self.body("remove", &remove_name, &remove);
        (Some(probe_name), Some(remove_name))
    }

    /// A child that goes with the binding.
    fn child_in_probe(&mut self, probe: &mut Vec<String>) {
        let child = self.fresh("kid");
        probe.push(format!("device {child} parent=self"));
        probe.push(format!("rc = device_add {child}"));
        probe.push(format!("print \"{child} rc={{rc}}\""));
        probe.extend(self.resources(&child.clone(), 1));
        probe.push(format!("devm_add_action self act_unregister {child}"));
    }

    /// An allocation that fails.
    pub(super) fn failing_allocation(&mut self) {
        let Some(at) = self.some_device(|_| true) else {
            return;
        };
        let name = self.devices[at].name.clone();
        let word = self.fresh("A");
        let call = match self.dice.below(4) {
            0 => format!("devm_add_action {name} act {word}"),
            1 => format!("devm_add_action_or_reset {name} act {word}"),
            2 => format!("devm_kzalloc {name} 16"),
            _ => format!("devres_open_group {name} {word}"),
        };
        self.line("fail_nth 1");
        self.line(format!("> {call}"));
        self.line("fail_nth 0");
    }
}

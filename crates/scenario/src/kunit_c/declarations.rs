//! What a case declares before its functions: what names stand for, words, and the
//! functions that stand for bodies.

use std::fmt::Write as _;

use super::calls::Emitter;
use super::text::quoted;
use super::{NoCase, refused, symbol};
use crate::ast::{Arg, Line, NameId};
use crate::language::{Kind, Op};

impl Emitter<'_> {
    /// All of them. Called when everything else is emitted: only then it is known what
    /// is used.
    pub(super) fn declarations(&self) -> String {
        let mut c = String::new();
        for (word, symbol) in &self.words {
            let _ = writeln!(c, "static const char {symbol}[] = {};", quoted(word));
        }
        for at in 2..self.scenario.names().len() {
            let id = NameId(u32::try_from(at).unwrap_or(u32::MAX));
            let name = self.name(id);
            let _ = match self.kind(id) {
                Kind::Device | Kind::Platform | Kind::Root => {
                    writeln!(c, "static struct seen *{name} __maybe_unused;")
                }
                Kind::Iio => writeln!(
                    c,
                    "static struct iio_dev *{name};\nstatic struct seen *{name}_seen;\n\
                     static struct iio_chan_spec {name}_channels[8] __maybe_unused;"
                ),
                Kind::Bus => writeln!(
                    c,
                    "static struct bus_type {name};\n\
                     static struct notifier_block {name}_nb __maybe_unused = {{ .notifier_call = notified }};"
                ),
                Kind::Driver => writeln!(
                    c,
                    "static struct device_driver {name};\nstatic int {name}_returns;"
                ),
                Kind::PlatformDriver => writeln!(
                    c,
                    "static struct platform_driver {name};\nstatic int {name}_returns;"
                ),
                Kind::Class => writeln!(c, "static struct class *{name};"),
                Kind::Memory | Kind::Group | Kind::Devres => {
                    writeln!(c, "static void *{name} __maybe_unused;")
                }
                Kind::Number => writeln!(c, "static long {name} __maybe_unused;"),
                Kind::Found => writeln!(c, "static struct found {name} __maybe_unused;"),
                Kind::DeviceLink => writeln!(c, "static struct link {name} __maybe_unused;"),
                kind if kind.is_body() => {
                    writeln!(c, "static int {name}(struct device *self);")
                }
                _ => Ok(()),
            };
        }
        for count in &self.counted {
            let _ = writeln!(c, "static int {count};");
        }
        for callback in &self.callbacks {
            c.push('\n');
            c.push_str(callback);
        }
        if !c.is_empty() {
            c.push('\n');
        }
        c
    }

    /// A word: the same text is the same address, so that it can be an action's data.
    pub(super) fn word(&mut self, word: &str) -> String {
        if let Some(symbol) = self.words.get(word) {
            return symbol.clone();
        }
        let mut chosen = format!("word_{}", symbol(word));
        while self.words.values().any(|other| *other == chosen) {
            chosen.push('_');
        }
        self.words.insert(word.to_owned(), chosen.clone());
        chosen
    }

    /// A body as a function, and as the kernel calls it.
    pub(super) fn body(&mut self, id: NameId, lines: &[Line]) -> Result<String, NoCase> {
        let name = self.name(id);
        let inside = self.lines(lines, Some(id))?;
        let counted = lines.iter().any(|line| line.op == Op::ReturnNth);
        let count = match counted {
            true => format!("\t{name}_runs++;\n"),
            false => String::new(),
        };
        if counted {
            self.counted.push(format!("{name}_runs"));
        }
        let mut c = format!(
            "static int {name}(struct device *self)\n{{\n\tvoid *p __maybe_unused;\n\
             \tlong rc __maybe_unused;\n\n{count}{inside}\treturn 0;\n}}\n\n"
        );
        match self.kind(id) {
            Kind::Action => self.callbacks.push(format!(
                "static void __maybe_unused {name}_action(void *data)\n{{\n\t{name}(NULL);\n}}\n"
            )),
            Kind::Each => self.callbacks.push(format!(
                "static int __maybe_unused {name}_each(struct device *dev, void *data)\n{{\n\
                 \treturn {name}(dev);\n}}\n"
            )),
            Kind::Probe | Kind::Remove => {}
            _ => c.clear(),
        }
        Ok(c)
    }

    pub(super) fn declare(
        &mut self,
        line: &Line,
        inside: Option<NameId>,
    ) -> Result<String, NoCase> {
        let Some(Arg::Name(id)) = line.args.first() else {
            return Err(refused(line, ""));
        };
        let name = self.name(*id);
        let tag = quoted(&self.scenario.name_of(*id).text);
        match self.kind(*id) {
            Kind::Device => self.declare_device(line, &name, &tag),
            Kind::Platform => {
                let number = match line.args.get(2) {
                    Some(Arg::Number(n)) => n.to_string(),
                    Some(Arg::Any) => "PLATFORM_DEVID_AUTO".to_owned(),
                    _ => "PLATFORM_DEVID_NONE".to_owned(),
                };
                let parent = match line.keywords.first() {
                    Some(Some(parent)) => self.device(line, parent)?,
                    _ => "NULL".to_owned(),
                };
                let text = self.plain(line, &line.args[1])?;
                Ok(format!(
                    "{name} = new_platform({tag}, {text}, {number}, {parent});\n"
                ))
            }
            // Its callbacks are functions of the file, so there is one of it.
            _ if inside.is_some() => Err(refused(line, " inside a body")),
            Kind::Bus => self.declare_bus(line, &name),
            _ => self.declare_driver(line, *id),
        }
    }

    fn declare_device(&mut self, line: &Line, name: &str, tag: &str) -> Result<String, NoCase> {
        if matches!(line.keywords.get(4), Some(Some(_))) {
            return Err(refused(line, " with a device number"));
        }
        let mut c = format!("{name} = new_device({tag});\n");
        match &line.keywords[0] {
            Some(text) => {
                let text = self.format(line, text)?;
                let _ = writeln!(c, "dev_set_name({name}->dev, {text});");
            }
            None => {
                let _ = writeln!(c, "dev_set_name({name}->dev, \"lf-%s\", {tag});");
            }
        }
        if let Some(parent) = &line.keywords[1] {
            let parent = self.device(line, parent)?;
            let _ = writeln!(c, "{name}->dev->parent = {parent};");
        }
        if let Some(Arg::Name(bus)) = &line.keywords[2] {
            let bus = self.bus(line, *bus)?;
            let _ = writeln!(c, "{name}->dev->bus = {bus};");
        }
        if let Some(Arg::Name(class)) = &line.keywords[3] {
            let _ = writeln!(c, "{name}->dev->class = {};", self.name(*class));
        }
        if matches!(&line.keywords[5], Some(Arg::Word(word)) if word == "none") {
            let _ = writeln!(c, "{name}->dev->type = NULL;");
        }
        Ok(c)
    }

    fn declare_bus(&mut self, line: &Line, name: &str) -> Result<String, NoCase> {
        let text = self.plain(line, &line.args[1])?;
        let rule = match &line.keywords[0] {
            Some(Arg::Word(rule)) => rule.as_str(),
            _ => "none",
        };
        let fits = match rule {
            "prefix" => {
                "drv->name[0] == 'Z' ||\n\t\t   (strlen(dev_name(dev)) >= 3 &&\n\t\t    \
                 !strncmp(dev_name(dev) + 3, drv->name, strlen(drv->name)))"
            }
            "name" => "!strcmp(dev_name(dev), drv->name)",
            "any" => "1",
            _ => "0",
        };
        let traced = !matches!(&line.keywords[1], Some(Arg::Word(word)) if word == "no");
        let told = match traced {
            true => {
                "\tseen_line(\"bus.match dev=%s drv=%s -> %d\", tag_of(dev), drv->name, fits);\n"
            }
            false => "",
        };
        self.callbacks.push(format!(
            "static int {name}_match(struct device *dev, DRIVER_CONST struct device_driver *drv)\n\
             {{\n\tint fits = {fits};\n\n{told}\treturn fits;\n}}\n"
        ));
        Ok(format!(
            "{name} = (struct bus_type){{ .name = {text}, .match = {name}_match }};\n"
        ))
    }

    fn declare_driver(&mut self, line: &Line, id: NameId) -> Result<String, NoCase> {
        let name = self.name(id);
        let text = self.plain(line, &line.args[1])?;
        let platform = self.kind(id) == Kind::PlatformDriver;
        let first = usize::from(!platform);
        let body = |emitter: &Self, at: usize| match &line.keywords[at] {
            Some(Arg::Name(body)) => Some(emitter.name(*body)),
            _ => None,
        };
        let (probe, remove) = (body(self, first), body(self, first + 1));
        let is = |at: usize, what: &str| matches!(&line.keywords[at], Some(Arg::Word(word)) if word == what);
        let traced = !is(first + 2, "no");
        let suppress = is(first + 3, "yes");
        let (mut enter, mut leave) = (String::new(), String::new());
        if traced {
            enter.push_str("\ttell_probe(dev);\n");
            leave.push_str("\ttell_probed(dev, rc);\n");
        }
        let call = probe
            .as_ref()
            .map_or(String::new(), |p| format!("\trc = {p}(dev);\n"));
        let mut callbacks = format!(
            "static int __maybe_unused {name}_probe(struct device *dev)\n{{\n\tint rc = 0;\n\n\
             {enter}{call}\tif ({name}_returns)\n\t\trc = {name}_returns;\n{leave}\treturn rc;\n}}\n\n"
        );
        let (enter, leave) = match traced {
            true => ("\ttell_remove(dev);\n", "\ttell_removed(dev);\n"),
            false => ("", ""),
        };
        let call = remove
            .as_ref()
            .map_or(String::new(), |r| format!("\t{r}(dev);\n"));
        let _ = write!(
            callbacks,
            "static int __maybe_unused {name}_remove(struct device *dev)\n{{\n\
             {enter}{call}{leave}\treturn 0;\n}}\n"
        );
        let _ = match platform {
            true => writeln!(callbacks, "PLATFORM_CALLBACKS({name})"),
            false => Ok(()),
        };
        self.callbacks.push(callbacks);
        let mut fields = String::new();
        let ending = if platform { "_platform" } else { "" };
        if traced || probe.is_some() {
            let _ = write!(fields, " .probe = {name}_probe{ending},");
        }
        if traced || remove.is_some() {
            let _ = write!(fields, " .remove = {name}_remove{ending},");
        }
        let suppress = if suppress {
            " .suppress_bind_attrs = true,"
        } else {
            ""
        };
        if platform {
            return Ok(format!(
                "{name} = (struct platform_driver){{{fields}\n\t.driver = {{ .name = {text},{suppress} }} }};\n\
                 {name}_returns = 0;\n"
            ));
        }
        let Some(Arg::Name(bus)) = &line.keywords[0] else {
            return Err(refused(line, " without a bus"));
        };
        let bus = self.bus(line, *bus)?;
        Ok(format!(
            "{name} = (struct device_driver){{{fields}\n\t.name = {text}, .bus = {bus},{suppress} }};\n\
             {name}_returns = 0;\n"
        ))
    }
}

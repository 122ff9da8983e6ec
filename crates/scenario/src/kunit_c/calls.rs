//! Statements as C: the call each stands for, and what a step prints of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::text::quoted;
use super::{NoCase, declares, refused, symbol};
use crate::ast::{ActionFn, Arg, Form, Line, NameId, ReleaseFn, Scenario};
use crate::language::{Kind, Op, Statement};

/// What is known while a scenario becomes C.
pub(super) struct Emitter<'a> {
    pub(super) scenario: &'a Scenario,
    /// Words, and what they are called.
    pub(super) words: BTreeMap<String, String>,
    /// Functions that the kernel calls.
    pub(super) callbacks: Vec<String>,
    /// How often bodies ran, where that counts.
    pub(super) counted: Vec<String>,
}

/// A call, by what it returns.
enum C {
    /// Statements.
    Plain(String),
    /// A call of no value.
    Void(String),
    /// An int.
    Int(String),
    /// A pointer, `NULL` or `ERR_PTR`, and what is done with `p`.
    Pointer(String, String),
}

impl<'a> Emitter<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Emitter<'a> {
        Emitter {
            scenario,
            words: BTreeMap::new(),
            callbacks: Vec::new(),
            counted: Vec::new(),
        }
    }

    pub(super) fn kind(&self, id: NameId) -> Kind {
        self.scenario.name_of(id).kind
    }

    /// What a name is called in C: with its kind before it, so that it is no word of
    /// the kernel's.
    pub(super) fn name(&self, id: NameId) -> String {
        let kind = match self.kind(id) {
            Kind::Device | Kind::Platform | Kind::Root => "dev",
            Kind::Iio => "iio",
            Kind::Bus => "bus",
            Kind::Driver | Kind::PlatformDriver => "drv",
            Kind::Class => "class",
            Kind::Memory => "mem",
            Kind::Devres => "res",
            Kind::Group => "group",
            Kind::Found => "found",
            Kind::DeviceLink => "link",
            Kind::Number => "num",
            _ => "body",
        };
        format!("{kind}_{}", symbol(&self.scenario.name_of(id).text))
    }

    /// A name as a `struct device *`.
    pub(super) fn device_name(&self, id: NameId) -> String {
        match self.kind(id) {
            Kind::Iio => format!("(&{}->dev)", self.name(id)),
            _ => format!("{}->dev", self.name(id)),
        }
    }

    pub(super) fn device(&self, line: &Line, arg: &Arg) -> Result<String, NoCase> {
        match arg {
            Arg::SelfDevice => Ok("self".to_owned()),
            Arg::Name(id) => match self.kind(*id) {
                Kind::Device | Kind::Platform | Kind::Root | Kind::Iio => Ok(self.device_name(*id)),
                _ => Err(refused(line, " of this kind of device")),
            },
            _ => Err(refused(line, "")),
        }
    }

    pub(super) fn bus(&self, line: &Line, id: NameId) -> Result<String, NoCase> {
        match self.scenario.name_of(id).text.as_str() {
            "platform" => Ok("&platform_bus_type".to_owned()),
            "kunit" => Err(refused(line, " with the bus of KUnit")),
            _ => Ok(format!("&{}", self.name(id))),
        }
    }

    /// Statements, indented; `inside` is the body they stand in.
    pub(super) fn lines(
        &mut self,
        lines: &[Line],
        inside: Option<NameId>,
    ) -> Result<String, NoCase> {
        let mut c = String::new();
        for line in lines {
            for statement in self.line(line, inside)?.lines() {
                let _ = writeln!(c, "\t{statement}");
            }
        }
        Ok(c)
    }

    fn line(&mut self, line: &Line, inside: Option<NameId>) -> Result<String, NoCase> {
        let call = self.call(line, inside)?;
        let mut c = String::new();
        if matches!(line.form, Form::Step | Form::Do) {
            let _ = writeln!(c, "step({});", quoted(&line.text));
        }
        let result = line.result.map(|id| self.name(id));
        // What the step prints, and what is kept of the result.
        let (told, kept) = match call {
            C::Plain(text) => {
                c.push_str(&text);
                ("done();\n", String::new())
            }
            C::Void(call) => {
                let _ = writeln!(c, "{call};");
                ("done();\n", String::new())
            }
            C::Int(call) => {
                let _ = match (&result, line.form) {
                    (None, Form::Quiet | Form::Do) => writeln!(c, "ignored({call});"),
                    _ => writeln!(c, "rc = {call};"),
                };
                let kept = result.map_or(String::new(), |name| format!("{name} = rc;\n"));
                ("returned(rc);\n", kept)
            }
            C::Pointer(call, kept) => {
                let _ = writeln!(c, "p = {call};");
                let kept = result.map_or(String::new(), |_| format!("{kept};\n"));
                ("pointed(p);\n", kept)
            }
        };
        match line.form {
            Form::Step => c.push_str(told),
            Form::Do => c.push_str("done();\n"),
            Form::Try if inside.is_some() => c.push_str("if (rc < 0)\n\treturn rc;\n"),
            Form::Try | Form::Quiet => {}
        }
        c.push_str(&kept);
        Ok(c)
    }

    fn value(&self, arg: Option<&Arg>) -> String {
        match arg {
            Some(Arg::Number(n)) => n.to_string(),
            Some(Arg::Name(id)) => self.name(*id),
            _ => "0".to_owned(),
        }
    }

    fn call(&mut self, line: &Line, inside: Option<NameId>) -> Result<C, NoCase> {
        if declares(line.op) {
            return self.declare(line, inside).map(C::Plain);
        }
        if let Some(c) = self.line_of_the_trace(line, inside)? {
            return Ok(C::Plain(c));
        }
        type Part<'a> = fn(&mut Emitter<'a>, &Line) -> Result<Option<C>, NoCase>;
        let parts: [Part<'_>; 4] = [
            Emitter::device_call,
            Emitter::driver_call,
            Emitter::devres_call,
            Emitter::iio_call,
        ];
        for part in parts {
            if let Some(c) = part(self, line)? {
                return Ok(c);
            }
        }
        Err(refused(line, ""))
    }

    fn line_of_the_trace(
        &mut self,
        line: &Line,
        inside: Option<NameId>,
    ) -> Result<Option<String>, NoCase> {
        let arg = |at: usize| line.args.get(at);
        Ok(Some(match line.op {
            Op::Note => String::new(),
            Op::Print => {
                let text = self.format(line, &line.args[0])?;
                format!("seen_line({text});\n")
            }
            Op::Track => {
                let Some(Arg::Name(id)) = arg(0) else {
                    return Err(refused(line, " of self"));
                };
                let device = self.device(line, &line.args[0])?;
                let tag = quoted(&self.scenario.name_of(*id).text);
                format!("track({device}, {tag});\n")
            }
            Op::Ref | Op::Bound => {
                let what = if line.op == Op::Ref {
                    "tell_ref"
                } else {
                    "tell_bound"
                };
                let tag = match arg(0) {
                    Some(Arg::Name(id)) => {
                        self.device(line, &line.args[0])?;
                        quoted(&self.scenario.name_of(*id).text)
                    }
                    _ => "tag_of(self)".to_owned(),
                };
                format!("{what}({tag});\n")
            }
            Op::Info => {
                let Some(Arg::Name(id)) = arg(0) else {
                    return Err(refused(line, ""));
                };
                let name = self.name(*id);
                format!(
                    "if (!{name}_seen->released)\n\tseen_line(\"info=%s\", set_or_null({name}->info));\n"
                )
            }
            Op::Return if inside.is_some() => format!("return {};\n", self.value(arg(0))),
            Op::Return => String::new(),
            Op::ReturnNth => match inside {
                Some(body) => format!(
                    "if ({}_runs == {})\n\treturn {};\n",
                    self.name(body),
                    self.value(arg(0)),
                    self.value(arg(1))
                ),
                None => String::new(),
            },
            Op::ProbeReturns => {
                let Some(Arg::Name(id)) = arg(0) else {
                    return Err(refused(line, ""));
                };
                format!("{}_returns = {};\n", self.name(*id), self.value(arg(1)))
            }
            _ => return Ok(None),
        }))
    }

    fn device_call(&mut self, line: &Line) -> Result<Option<C>, NoCase> {
        let word = Statement::of(line.op).word;
        let assign = line.result.map(|id| self.name(id)).unwrap_or_default();
        Ok(Some(match line.op {
            Op::DeviceAdd | Op::DeviceAttach | Op::DeviceReprobe => {
                C::Int(format!("{word}({})", self.device(line, &line.args[0])?))
            }
            Op::DeviceDel
            | Op::DeviceUnregister
            | Op::GetDevice
            | Op::PutDevice
            | Op::DeviceReleaseDriver
            | Op::RootDeviceUnregister => {
                C::Void(format!("{word}({})", self.device(line, &line.args[0])?))
            }
            Op::PlatformDeviceAdd => C::Int(format!(
                "{word}(to_platform_device({}))",
                self.device(line, &line.args[0])?
            )),
            Op::PlatformDevicePut | Op::PlatformDeviceUnregister => C::Void(format!(
                "{word}(to_platform_device({}))",
                self.device(line, &line.args[0])?
            )),
            Op::DevSetName | Op::DeviceRename => {
                let device = self.device(line, &line.args[0])?;
                let text = match line.op {
                    Op::DevSetName => self.format(line, &line.args[1])?,
                    _ => self.plain(line, &line.args[1])?,
                };
                C::Int(format!("{word}({device}, {text})"))
            }
            Op::DevSetDrvdata => {
                let data = match &line.args[1] {
                    Arg::Word(set) if set == "set" => "&all_seen",
                    _ => "NULL",
                };
                C::Void(format!(
                    "{word}({}, {data})",
                    self.device(line, &line.args[0])?
                ))
            }
            Op::DeviceForEachChild | Op::DeviceForEachChildReverse => {
                let Arg::Name(each) = &line.args[1] else {
                    return Err(refused(line, ""));
                };
                let device = self.device(line, &line.args[0])?;
                C::Int(format!("{word}({device}, NULL, {}_each)", self.name(*each)))
            }
            Op::DeviceFindChildByName => {
                let device = self.device(line, &line.args[0])?;
                let text = self.plain(line, &line.args[1])?;
                C::Pointer(
                    format!("{word}({device}, {text})"),
                    format!("{assign} = p ? live(p) : NULL"),
                )
            }
            Op::DeviceMove => {
                let device = self.device(line, &line.args[0])?;
                let to = match &line.args[1] {
                    Arg::Null => "NULL".to_owned(),
                    parent => self.device(line, parent)?,
                };
                C::Int(format!("{word}({device}, {to}, DPM_ORDER_NONE)"))
            }
            Op::DeviceLinkAdd => {
                let consumer = self.device(line, &line.args[0])?;
                let supplier = self.device(line, &line.args[1])?;
                let Arg::Flags(flags) = &line.args[2] else {
                    return Err(refused(line, ""));
                };
                C::Pointer(
                    format!("{word}({consumer}, {supplier}, {flags:#x})"),
                    format!("{assign} = (struct link){{ p, p ? live({consumer}) : NULL }}"),
                )
            }
            Op::DeviceLinkDel => {
                let Arg::Name(link) = &line.args[0] else {
                    return Err(refused(line, ""));
                };
                C::Void(format!("{word}(link_there(&{}))", self.name(*link)))
            }
            Op::DeviceLinkRemove => C::Void(format!(
                "{word}({}, {})",
                self.device(line, &line.args[0])?,
                self.device(line, &line.args[1])?
            )),
            Op::RootDeviceRegister => {
                let text = self.plain(line, &line.args[0])?;
                C::Pointer(
                    format!("{word}({text})"),
                    format!("{assign} = IS_ERR_OR_NULL(p) ? NULL : live(p)"),
                )
            }
            Op::Settle => C::Void("settle()".to_owned()),
            Op::Msleep => C::Void(format!("msleep({})", self.value(line.args.first()))),
            _ => return Ok(None),
        }))
    }

    fn driver_call(&mut self, line: &Line) -> Result<Option<C>, NoCase> {
        let word = Statement::of(line.op).word;
        let Some(Arg::Name(first)) = line.args.first() else {
            return Ok(None);
        };
        let name = self.name(*first);
        // A driver as the driver core has it.
        let driver = match self.kind(*first) {
            Kind::PlatformDriver => format!("&{name}.driver"),
            _ => format!("&{name}"),
        };
        Ok(Some(match line.op {
            Op::DriverRegister if self.kind(*first) == Kind::PlatformDriver => {
                C::Int(format!("platform_driver_register(&{name})"))
            }
            Op::DriverUnregister if self.kind(*first) == Kind::PlatformDriver => {
                C::Void(format!("platform_driver_unregister(&{name})"))
            }
            Op::PlatformDriverRegister => C::Int(format!("{word}(&{name})")),
            Op::PlatformDriverUnregister => C::Void(format!("{word}(&{name})")),
            Op::DriverRegister | Op::DriverAttach => C::Int(format!("{word}({driver})")),
            Op::DriverUnregister => C::Void(format!("{word}({driver})")),
            Op::DeviceDriverAttach => C::Int(format!(
                "{word}({driver}, {})",
                self.device(line, &line.args[1])?
            )),
            Op::BusRegister | Op::BusRescanDevices => {
                C::Int(format!("{word}({})", self.bus(line, *first)?))
            }
            Op::BusUnregister => C::Void(format!("{word}({})", self.bus(line, *first)?)),
            Op::BusRegisterNotifier | Op::BusUnregisterNotifier => {
                if first.0 < 2 {
                    return Err(refused(line, " with a bus that is there from the start"));
                }
                C::Int(format!("{word}(&{name}, &{name}_nb)"))
            }
            Op::ClassDestroy => C::Void(format!("{word}({name})")),
            _ => return Ok(None),
        }))
    }

    fn devres_call(&mut self, line: &Line) -> Result<Option<C>, NoCase> {
        let word = Statement::of(line.op).word;
        let assign = line.result.map(|id| self.name(id)).unwrap_or_default();
        let first = match line.op {
            Op::DevresAlloc | Op::DevresFree | Op::ClassCreate => String::new(),
            _ => match line.args.first() {
                Some(arg @ (Arg::Name(_) | Arg::SelfDevice)) => {
                    self.device(line, arg).unwrap_or_default()
                }
                _ => String::new(),
            },
        };
        let memory = format!("{assign} = p");
        Ok(Some(match line.op {
            Op::ClassCreate => {
                let text = self.plain(line, &line.args[0])?;
                C::Pointer(format!("new_class({text})"), memory)
            }
            Op::DevmAddAction | Op::DevmAddActionOrReset => {
                C::Int(format!("{word}({first}, {})", self.action(line, 1)?))
            }
            Op::DevmRemoveAction | Op::DevmReleaseAction => {
                C::Void(format!("{word}({first}, {})", self.action(line, 1)?))
            }
            Op::DevmKzalloc => C::Pointer(
                format!(
                    "{word}({first}, {}, GFP_KERNEL)",
                    self.value(line.args.get(1))
                ),
                memory,
            ),
            Op::DevmKrealloc => C::Pointer(
                format!(
                    "{word}({first}, {}, {}, GFP_KERNEL)",
                    self.value(line.args.get(1)),
                    self.value(line.args.get(2))
                ),
                memory,
            ),
            Op::DevmKstrdup => {
                let text = self.plain(line, &line.args[1])?;
                C::Pointer(format!("{word}({first}, {text}, GFP_KERNEL)"), memory)
            }
            Op::DevmKfree | Op::DevresAdd => {
                C::Void(format!("{word}({first}, {})", self.value(line.args.get(1))))
            }
            Op::DevresAlloc => {
                let Some(Arg::Word(carried)) = line.args.get(1) else {
                    return Err(refused(line, ""));
                };
                let carried = self.word(carried);
                C::Pointer(format!("new_{}({carried})", release(line, 0)), memory)
            }
            Op::DevresFree => C::Void(format!("{word}({})", self.value(line.args.first()))),
            Op::DevresFind | Op::DevresRemove => {
                let call = format!(
                    "{word}({first}, {}, {})",
                    release(line, 1),
                    self.matching(line, 2)
                );
                let assign = match line.op {
                    Op::DevresFind => {
                        format!("{assign} = (struct found){{ p ? *(char **)p : NULL }}")
                    }
                    _ => memory,
                };
                C::Pointer(call, assign)
            }
            Op::DevresGet => {
                let new = self.value(line.args.get(1));
                let call = format!("{word}({first}, {new}, {})", self.matching(line, 2));
                C::Pointer(
                    call,
                    format!("{assign} = (struct found){{ *(char **)p, p == {new} }}"),
                )
            }
            Op::DevresDestroy | Op::DevresRelease => C::Int(format!(
                "{word}({first}, {}, {})",
                release(line, 1),
                self.matching(line, 2)
            )),
            Op::DevresOpenGroup => {
                let group = self.group(line);
                C::Pointer(format!("{word}({first}, {group}, GFP_KERNEL)"), memory)
            }
            Op::DevresCloseGroup | Op::DevresRemoveGroup => {
                C::Void(format!("{word}({first}, {})", self.group(line)))
            }
            Op::DevresReleaseGroup => C::Int(format!("{word}({first}, {})", self.group(line))),
            Op::DevresReleaseAll => C::Int(format!("{word}({first}) ? 1 : 0")),
            _ => return Ok(None),
        }))
    }

    /// An action and its data.
    fn action(&mut self, line: &Line, at: usize) -> Result<String, NoCase> {
        let function = match line.args.get(at) {
            Some(Arg::Action(ActionFn::Body(id))) => format!("{}_action", self.name(*id)),
            Some(Arg::Action(ActionFn::Act)) => "act".to_owned(),
            Some(Arg::Action(ActionFn::ActB)) => "act_b".to_owned(),
            Some(Arg::Action(ActionFn::ActState)) => "act_state".to_owned(),
            Some(Arg::Action(ActionFn::ActPut)) => "act_put".to_owned(),
            Some(Arg::Action(ActionFn::ActUnregister)) => "act_unregister".to_owned(),
            _ => return Err(refused(line, " with this action")),
        };
        let data = match line.args.get(at + 1) {
            Some(Arg::Word(word)) => format!("(void *){}", self.word(word)),
            Some(Arg::Null) | None => "NULL".to_owned(),
            Some(device) => self.device(line, device)?,
        };
        Ok(format!("{function}, {data}"))
    }

    /// A match function and its data.
    fn matching(&mut self, line: &Line, at: usize) -> String {
        match line.args.get(at) {
            Some(Arg::Word(word)) => format!("carries, (void *){}", self.word(word)),
            _ => "NULL, NULL".to_owned(),
        }
    }

    fn group(&mut self, line: &Line) -> String {
        match line.args.get(1) {
            Some(Arg::Word(word)) => format!("(void *){}", self.word(word)),
            Some(Arg::Name(id)) => self.name(*id),
            _ => "NULL".to_owned(),
        }
    }

    fn iio_call(&mut self, line: &Line) -> Result<Option<C>, NoCase> {
        let word = Statement::of(line.op).word;
        let named = |emitter: &Self, at: usize| match line.args.get(at) {
            Some(Arg::Name(id)) if emitter.kind(*id) == Kind::Iio => Some(emitter.name(*id)),
            _ => None,
        };
        Ok(Some(match line.op {
            Op::IioDeviceAlloc | Op::DevmIioDeviceAlloc => {
                let device = self.device(line, &line.args[0])?;
                let assign = match line.result {
                    Some(id) => {
                        let name = self.name(id);
                        format!("{name} = p;\n{name}_seen = p ? live(&{name}->dev) : NULL")
                    }
                    None => String::new(),
                };
                C::Pointer(format!("{word}({device}, 0)"), assign)
            }
            Op::IioInfo => {
                let name = named(self, 0).ok_or_else(|| refused(line, ""))?;
                let text = self.plain(line, &line.args[1])?;
                C::Plain(format!(
                    "{name}->name = {text};\n{name}->info = &iio_info;\n\
                     {name}->modes = INDIO_DIRECT_MODE;\n"
                ))
            }
            Op::IioVoltageChannel => {
                let name = named(self, 0).ok_or_else(|| refused(line, ""))?;
                if line.keywords.iter().any(Option::is_some) {
                    return Err(refused(line, " with more than the channel's number"));
                }
                let channel = self.value(line.args.get(1));
                C::Plain(format!(
                    "{name}->channels = {name}_channels;\n\
                     {name}_channels[{name}->num_channels++] = (struct iio_chan_spec){{\n\
                     \t.type = IIO_VOLTAGE, .indexed = 1, .channel = {channel}, .scan_index = {channel},\n\
                     \t.info_mask_separate = BIT(IIO_CHAN_INFO_RAW),\n\
                     \t.scan_type = {{ .sign = 'u', .realbits = 16, .storagebits = 16 }} }};\n"
                ))
            }
            Op::DevmIioDeviceRegister => {
                let device = self.device(line, &line.args[0])?;
                let name = named(self, 1).ok_or_else(|| refused(line, ""))?;
                C::Int(format!("{word}({device}, {name})"))
            }
            Op::IioDeviceRegister => {
                let name = named(self, 0).ok_or_else(|| refused(line, ""))?;
                C::Int(format!("{word}({name})"))
            }
            Op::IioDeviceUnregister | Op::IioDeviceFree | Op::IioDeviceGet | Op::IioDevicePut => {
                let name = named(self, 0).ok_or_else(|| refused(line, ""))?;
                C::Void(format!("{word}({name})"))
            }
            _ => return Ok(None),
        }))
    }
}

fn release(line: &Line, at: usize) -> &'static str {
    match line.args.get(at) {
        Some(Arg::Release(ReleaseFn::Release2)) => "dr_rel2",
        _ => "dr_rel",
    }
}

//! The context description, letter for letter as libiio 0.24 spells it.
//!
//! Clients validate it against the DTD in its head, and tests compare its text, so the
//! blanks before `>` and `/>` matter; an XML writer would not put them there.

use crate::channel::{Channel, ScanElement};
use crate::context::{ContextDevice, Description};
use quick_xml::escape::escape;
use std::fmt::{self, Display, Write as _};

/// context.c: xml_header
const HEAD: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><!DOCTYPE context ["#,
    "<!ELEMENT context (device | context-attribute)*>",
    "<!ELEMENT context-attribute EMPTY>",
    "<!ELEMENT device (channel | attribute | debug-attribute | buffer-attribute)*>",
    "<!ELEMENT channel (scan-element?, attribute*)>",
    "<!ELEMENT attribute EMPTY>",
    "<!ELEMENT scan-element EMPTY>",
    "<!ELEMENT debug-attribute EMPTY>",
    "<!ELEMENT buffer-attribute EMPTY>",
    "<!ATTLIST context name CDATA #REQUIRED version-major CDATA #REQUIRED ",
    "version-minor CDATA #REQUIRED version-git CDATA #REQUIRED description CDATA #IMPLIED>",
    "<!ATTLIST context-attribute name CDATA #REQUIRED value CDATA #REQUIRED>",
    "<!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED label CDATA #IMPLIED>",
    "<!ATTLIST channel id CDATA #REQUIRED type (input|output) #REQUIRED name CDATA #IMPLIED>",
    "<!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED scale CDATA #IMPLIED>",
    "<!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED>",
    "<!ATTLIST debug-attribute name CDATA #REQUIRED>",
    "<!ATTLIST buffer-attribute name CDATA #REQUIRED>",
    "]>",
);

/// The description of these devices.
pub(crate) fn describe<'a>(
    about: &Description,
    devices: impl Iterator<Item = &'a ContextDevice>,
) -> String {
    let mut out = String::with_capacity(4096);
    // Writing to a String cannot fail.
    let _ = write_context(&mut out, about, devices);
    out
}

fn write_context<'a>(
    out: &mut String,
    about: &Description,
    devices: impl Iterator<Item = &'a ContextDevice>,
) -> fmt::Result {
    out.push_str(HEAD);
    write!(
        out,
        "<context name=\"local\" version-major=\"{}\" version-minor=\"{}\" \
         version-git=\"{}\" description=\"{}\" >",
        crate::VERSION.0,
        crate::VERSION.1,
        crate::VERSION.2,
        escape(about.text.as_str()),
    )?;
    for (name, value) in [("local,kernel", about.kernel.as_str()), ("uri", "local:")] {
        let value = escape(value);
        write!(
            out,
            "<context-attribute name=\"{name}\" value=\"{value}\" />"
        )?;
    }
    for device in devices {
        write_device(out, device)?;
    }
    out.push_str("</context>");
    Ok(())
}

/// device.c: iio_snprintf_device_xml
fn write_device(out: &mut String, device: &ContextDevice) -> fmt::Result {
    out.push_str("<device");
    attribute(out, "id", &device.id)?;
    for (key, value) in [("name", &device.name), ("label", &device.label)] {
        if let Some(value) = value {
            attribute(out, key, value)?;
        }
    }
    out.push_str(" >");
    for channel in &device.channels {
        write_channel(out, channel)?;
    }
    for (element, names) in [
        ("attribute", &device.attributes),
        ("buffer-attribute", &device.buffer_attributes),
        ("debug-attribute", &device.debug_attributes),
    ] {
        for name in names {
            write!(out, "<{element}")?;
            attribute(out, "name", name)?;
            out.push_str(" />");
        }
    }
    out.push_str("</device>");
    Ok(())
}

/// channel.c: iio_snprintf_channel_xml
fn write_channel(out: &mut String, channel: &Channel) -> fmt::Result {
    out.push_str("<channel");
    attribute(out, "id", &channel.id)?;
    if let Some(name) = &channel.name {
        attribute(out, "name", name)?;
    }
    let direction = if channel.output { "output" } else { "input" };
    attribute(out, "type", &direction)?;
    out.push_str(" >");
    if let Some(scan) = &channel.scan {
        write_scan_element(out, scan, channel.scale)?;
    }
    for own in &channel.attributes {
        out.push_str("<attribute");
        attribute(out, "name", &own.name)?;
        attribute(out, "filename", &own.file)?;
        out.push_str(" />");
    }
    out.push_str("</channel>");
    Ok(())
}

/// channel.c: iio_snprintf_scan_element_xml
fn write_scan_element(out: &mut String, scan: &ScanElement, scale: Option<f32>) -> fmt::Result {
    let format = &scan.format;
    let endian = if format.big_endian { 'b' } else { 'l' };
    let sign = match (format.signed, format.fully_defined) {
        (true, true) => 'S',
        (true, false) => 's',
        (false, true) => 'U',
        (false, false) => 'u',
    };
    let mut text = format!("{endian}e:{sign}{}/{}", format.bits, format.length);
    if format.repeat > 1 {
        write!(text, "X{}", format.repeat)?;
    }
    write!(text, ">>{}", format.shift)?;
    out.push_str("<scan-element");
    attribute(out, "index", &scan.index)?;
    attribute(out, "format", &text)?;
    if let Some(scale) = scale {
        attribute(out, "scale", &format_args!("{:.6}", f64::from(scale)))?;
    }
    out.push_str(" />");
    Ok(())
}

fn attribute(out: &mut String, key: &str, value: &dyn Display) -> fmt::Result {
    write!(out, " {key}=\"{}\"", escape(value.to_string()))
}

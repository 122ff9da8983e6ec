//! `/sys/kernel/debug/cec/cecN/status`.
//!
//! Follows `drivers/media/cec/core/cec-adap.c: cec_adap_status`.

use core::fmt::Write;

use lastfd_model::raw::{Attribute, Device, debugfs_create_file, debugfs_remove};
use lastfd_model::{Errno, System};

use super::adapter::CecAdapter;
use super::transmit::Transmit;

fn directory(device: &Device) -> String {
    format!("cec/{}", device.name())
}

/// Makes the file. As in the kernel nobody asks whether it could be made.
pub(crate) fn create(adap: &CecAdapter, device: &Device) {
    let weak = adap.downgrade();
    let status = Attribute::new("status", 0o444).show(move |_| {
        let adap = weak.upgrade().ok_or(Errno::ENODEV)?;
        Ok(text(&adap))
    });
    let _ = debugfs_create_file(device, &directory(device), status);
}

/// Removes it, and waits for whoever reads it.
pub(crate) fn remove(system: &System, device: &Device) {
    debugfs_remove(system, &directory(device));
}

fn text(adap: &CecAdapter) -> String {
    let locked = adap.lock();
    let mut state = locked.state();
    let mut text = String::new();
    let mut line = |words: core::fmt::Arguments<'_>| {
        // A String takes everything.
        let _ = writeln!(text, "{words}");
    };
    line(format_args!("enabled: {}", u8::from(state.is_enabled)));
    line(format_args!(
        "configured: {}",
        u8::from(state.is_configured)
    ));
    line(format_args!(
        "configuring: {}",
        u8::from(state.is_configuring)
    ));
    let pa = state.phys_addr;
    line(format_args!(
        "phys_addr: {:x}.{:x}.{:x}.{:x}",
        pa >> 12,
        pa >> 8 & 0xf,
        pa >> 4 & 0xf,
        pa & 0xf
    ));
    line(format_args!(
        "number of LAs: {}",
        state.log_addrs.num_log_addrs
    ));
    line(format_args!(
        "LA mask: {:#06x}",
        state.log_addrs.log_addr_mask
    ));
    if state.follower.is_some() {
        let mode = if state.passthrough {
            " (in passthrough mode)"
        } else {
            ""
        };
        line(format_args!("has CEC follower{mode}"));
    }
    if state.initiator.is_some() {
        line(format_args!("has CEC initiator"));
    }
    for (count, mode) in [
        (state.monitor_all_cnt, "All"),
        (state.monitor_pin_cnt, "Pin"),
    ] {
        if count != 0 {
            line(format_args!("file handles in Monitor {mode} mode: {count}"));
        }
    }
    // Reading it forgets it.
    let timeouts = core::mem::take(&mut state.tx_timeout_cnt);
    if timeouts != 0 {
        line(format_args!("transmit timeout count: {timeouts}"));
    }
    if let Some(transmit) = &state.transmitting {
        line(format_args!("transmitting message: {}", words(transmit)));
    }
    line(format_args!(
        "pending transmits: {}",
        state.transmit_queue.len()
    ));
    for transmit in &state.transmit_queue {
        line(format_args!("queued tx message: {}", words(transmit)));
    }
    for transmit in &state.wait_queue {
        line(format_args!(
            "message waiting for reply: {}",
            words(transmit)
        ));
    }
    text
}

fn words(transmit: &Transmit) -> String {
    let data = transmit.data();
    let bytes: Vec<String> = data
        .msg
        .bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!(
        "{} (reply: {:02x}, timeout: {}ms)",
        bytes.join(" "),
        data.msg.reply,
        data.msg.timeout
    )
}

//! `lastfd devices`.

use std::io::Write;
use std::process::ExitCode;

use lastfd::devices::KINDS;

use crate::failure::Failure;
use crate::log::{DIM, HEAD};

pub(crate) fn devices() -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout().lock();
    let mut text = String::new();
    for kind in KINDS {
        text += &format!("{HEAD}{}{HEAD:#}  {}\n", kind.name, kind.summary);
        text += &format!("  serves  {}\n", kind.serves);
        let width = kind.keys.iter().map(|k| k.name.len() + k.value.len() + 1);
        let width = width.max().unwrap_or_default();
        for (index, key) in kind.keys.iter().enumerate() {
            let label = if index == 0 { "keys" } else { "" };
            let form = format!("{}={}", key.name, key.value);
            text += &format!(
                "  {label:<6}  {form:width$}  {}  {DIM}[default: {}]{DIM:#}\n",
                key.what, key.default
            );
        }
        text.push('\n');
    }
    text += "KIND[:KEY=VALUE,...] plugs one in: lastfd run --device iio-adc:rate=100\n";
    // Nobody reads on, as with `| head`.
    let _ = out.write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

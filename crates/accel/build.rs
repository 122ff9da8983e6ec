//! Builds the library that programs preload, from `src/library.rs`, for the crate to hold.
//!
//! It is built by calling the compiler on that one file: cargo has no stable way to make a
//! library a part of another crate, and this one has no dependencies.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    println!("cargo::rustc-check-cfg=cfg(lastfd_preload)");
    let out = Path::new(&variable("OUT_DIR")).join("accel.so");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "--crate-name=accel",
        ])
        .args(["--cfg=lastfd_preload", "--cap-lints=warn"])
        .arg("--target")
        .arg(variable("TARGET"))
        // Frames are unwound through when a thread is cancelled, and shown by debuggers.
        .args(["-Cpanic=abort", "-Cforce-unwind-tables=yes"])
        .args(["-Copt-level=3", "-Ccodegen-units=1", "-Cstrip=debuginfo"])
        .args(["-Ctarget-feature=-crt-static", "-Crelocation-model=pic"])
        // One file for glibc and musl: it asks for no library at all.
        .args(["-Clink-arg=-nostdlib", "-Clink-arg=-nostartfiles"])
        .args(["-Clink-arg=-Wl,--build-id=none,-z,noexecstack,--hash-style=gnu"])
        .arg("-Clink-arg=-Wl,-soname,lastfd-accel.so")
        .arg("-o")
        .arg(&out)
        .arg("src/library.rs");
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    match rustc.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("failed to build the accelerator ({status}): {rustc:?}"),
        Err(error) => panic!("failed to run {rustc:?}: {error}"),
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo did not set {name}"))
}

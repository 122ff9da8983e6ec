//! Whatever bytes a program takes for a path, they lead somewhere, and never to the
//! machine's devices of an emulated class.

#![no_main]

use lastfd_host::{Host, Options, Resolved};
use lastfd_model::System;
use lastfd_model::raw::{PlatformId, platform_device_register};
use lastfd_sync::OnceLock;
use libfuzzer_sys::fuzz_target;

fn host() -> &'static (System, Host) {
    static HOST: OnceLock<(System, Host)> = OnceLock::new();
    HOST.get_or_init(|| {
        let system = System::new();
        platform_device_register(&system, "board", PlatformId::None).unwrap();
        let base = std::env::temp_dir().join(format!("lastfd-fuzz-{}", std::process::id()));
        let options = Options {
            base: Some(base),
            ..Options::default()
        };
        let host = Host::new(&system, options).unwrap();
        (system, host)
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((follow, path)) = bytes.split_first() else {
        return;
    };
    if let Resolved::Foreign(foreign) = host().1.resolve(path, follow & 1 == 0) {
        // A path that was not looked into leads where the machine says.
        if foreign.path.contains(&b'.') {
            return;
        }
        for ours in [
            &b"/sys/class"[..],
            b"/sys/bus",
            b"/dev/video",
            b"/dev/dri",
            b"/run/udev/",
        ] {
            assert!(!foreign.path.starts_with(ours), "{foreign:?}");
        }
    }
});

//! A DRM ioctl touches the hardware outside of drm_dev_enter.

use super::stage::*;
use lastfd_abi::drm::DRM_COMMAND_BASE;
use lastfd_abi::io;
use lastfd_drm::raw::*;
use lastfd_model::resource::Regs;

/// The ioctl reads a register, whether or not the device is there.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        display(system, |_, regs| {
            regs.read(0);
            Ok(())
        })
    }
}

/// An unplug waits for whoever is inside, and lets nobody in.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        display(system, |dev, regs| {
            let section = drm_dev_enter(dev).ok_or(Errno::ENODEV)?;
            regs.read(0);
            drm_dev_exit(section);
            Ok(())
        })
    }
}

/// Reads the status.
const GET_STATUS: u32 = io(b'd', DRM_COMMAND_BASE);

fn display(system: &System, ioctl: fn(&DrmDevice, &Regs) -> Result) -> Driver {
    let driver = platform_driver(system, "sensor");
    driver.set_probe(move |device| {
        let regs = board(device)
            .regs
            .map(&device.system(), Some(device), "display");
        let unmapped = regs.clone();
        devm_add_action_or_reset(
            device,
            Action::new(move || unmapped.free()).named("iounmap"),
        )?;
        let status = DrmIoctlDesc::new(
            "GET_STATUS",
            GET_STATUS,
            IoctlFlags::NONE,
            move |dev, _, _| ioctl(dev, &regs),
        );
        let drm_driver = DrmDriver {
            name: "display".to_owned(),
            ioctls: vec![status],
            ..DrmDriver::default()
        };
        let dev = devm_drm_dev_alloc(device, &Arc::new(drm_driver))?;
        drm_dev_register(&dev, 0)?;
        devm_add_action_or_reset(
            device,
            Action::new(move || drm_dev_unplug(&dev)).named("drm_dev_unplug"),
        )
    });
    driver
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {
        let card = open(system, "/dev/dri/card0", OpenFlags::RDWR).unwrap();
        card.ioctl_bytes(GET_STATUS, &mut []).unwrap();
    });
}

super::twins!(6);

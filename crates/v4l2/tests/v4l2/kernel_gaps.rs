//! Where V4L2 breaks its own rules when a device goes.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::OpenFlags;
use lastfd_model::Errno;
use lastfd_model::raw::*;
use lastfd_rigs::v4l2::{Camera, Removal, Rig, ioctl};
use lastfd_sync::{Arc, Mutex};
use lastfd_v4l2::raw::*;

#[test]
fn a_kernel_gap_a_disconnected_device_is_not_unregistered() {
    // The core takes a clear flag for "never registered" and does nothing; a
    // driver that forgets this leaves its node behind.
    let rig = Rig::silent();
    let file = rig.file();
    rig.remove(Removal::Disconnect);
    let vdev = rig.camera().vdev;
    video_unregister_device(&vdev);
    vb2_video_unregister_device(&vdev);
    assert!(rig.system.dev_node("video0").is_some());
    assert!(device_is_registered(&vdev.dev().unwrap()));
    // Unbinding is vivid's: it sets the flag first.
    rig.remove(Removal::Unbind);
    assert!(rig.system.dev_node("video0").is_none());
    assert_eq!(
        ioctl(&file, VIDIOC_QUERYCAP, &mut V4l2Capability::default()),
        Err(Errno::ENODEV)
    );
    drop(file);
    assert!(vdev.dev().unwrap().is_released());
    drop(vdev);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_kernel_gap_a_read_past_its_test_streams_on_a_device_that_is_gone() {
    // v4l2_read looks at the flag without a lock, and vb2_fop_read does not look
    // again once it has the lock; ioctls do.
    let hardware = Arc::new(Mutex::new(None::<Device>));
    let of_read = Arc::clone(&hardware);
    let rig = Rig::new(move |device| {
        let of_read = Arc::clone(&of_read);
        Camera::probe_with(device, Some(Duration::from_millis(200)), |vdev| {
            vdev.set_fops(V4l2FileOperations {
                read: Some(Arc::new(move |file, call| {
                    // The moment between the test and the lock.
                    let gone = of_read.lock().take();
                    if let Some(hardware) = gone {
                        device_release_driver(&hardware);
                    }
                    vb2_fop_read(file, call)
                })),
                ..V4l2FileOperations::vb2()
            });
        })
    });
    *hardware.lock() = Some(rig.hardware.clone());
    let file = rig.file();
    file.set_flags(file.flags() | OpenFlags::NONBLOCK).unwrap();
    assert_eq!(file.read(&mut [0; 64]), Err(Errno::EAGAIN));
    let camera = rig.camera();
    assert!(!video_is_registered(&camera.vdev));
    assert!(camera.queue.info().start_streaming_called);
    assert_eq!(rig.splats(), ["timer frames: started after it was freed"]);
    drop(file);
    assert_eq!(camera.queue.info(), QueueInfo::default());
    drop(camera);
    assert_eq!(rig.finish(), [""; 0]);
}

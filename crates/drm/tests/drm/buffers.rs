//! Dumb buffers: sizes, handles, offsets, mappings, exported ones.

use lastfd_abi::drm::*;
use lastfd_chrdev::{MapRequest, OpenFile, Process, Whence};
use lastfd_drm::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use lastfd_rigs::drm::{Card, Removal, display_driver, dumb, ioctl};
use lastfd_rigs::new_system;

fn create(file: &OpenFile, width: u32, height: u32, bpp: u32) -> Result<DrmModeCreateDumb> {
    let mut create = DrmModeCreateDumb {
        width,
        height,
        bpp,
        // Rubbish in what the kernel fills in is passed over.
        handle: 77,
        pitch: 77,
        size: 77,
        flags: 77,
    };
    ioctl(file, DRM_IOCTL_MODE_CREATE_DUMB, &mut create).map(|_| create)
}

fn finish(card: Card) {
    card.remove();
    card.finish();
}

#[test]
fn sizes_are_checked_in_32_bits() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    for (width, height, bpp) in [
        (0, 1, 32),
        (1, 0, 32),
        (1, 1, 0),
        (1, 1, u32::MAX),
        (1 << 30, 1, 32),
        (1 << 20, 1 << 12, 8),
        (u32::MAX, 1, 8),
    ] {
        let refused = create(&file, width, height, bpp);
        assert_eq!(refused, Err(Errno::EINVAL), "{width}x{height}x{bpp}");
    }
    let odd = create(&file, 5, 3, 12).unwrap();
    assert_eq!((odd.handle, odd.pitch, odd.size), (1, 8, 4096));
    let screen = create(&file, 1024, 768, 32).unwrap();
    assert_eq!(
        (screen.handle, screen.pitch, screen.size),
        (2, 4096, 3 << 20)
    );
    // The check lets it through, the helper's product wraps: no offset for it.
    assert_eq!(create(&file, 1 << 29, 1, 8), Err(Errno::ENOSPC));
    drop(file);
    finish(card);
}

#[test]
fn handles_are_the_lowest_free_ones_and_go_with_gem_close_too() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let handle = |file: &OpenFile| create(file, 8, 8, 32).unwrap().handle;
    assert_eq!([handle(&file), handle(&file), handle(&file)], [1, 2, 3]);
    let mut destroy = DrmModeDestroyDumb { handle: 2 };
    let mut again = || ioctl(&file, DRM_IOCTL_MODE_DESTROY_DUMB, &mut destroy);
    assert_eq!(again(), Ok(0));
    assert_eq!(again(), Err(Errno::EINVAL));
    let mut close = DrmGemClose { handle: 1, pad: 0 };
    assert_eq!(ioctl(&file, DRM_IOCTL_GEM_CLOSE, &mut close), Ok(0));
    assert_eq!([handle(&file), handle(&file)], [1, 2]);
    let mut map = DrmModeMapDumb {
        handle: 9,
        ..DrmModeMapDumb::default()
    };
    let unknown = ioctl(&file, DRM_IOCTL_MODE_MAP_DUMB, &mut map);
    assert_eq!(unknown, Err(Errno::ENOENT));
    drop(file);
    finish(card);
}

#[test]
fn an_offset_maps_its_buffer_for_its_owner_only() {
    let card = Card::display(Removal::Unplug);
    let (file, other) = (card.open(), card.open());
    let (_, offset, size) = dumb(&file).unwrap();
    let map = |file: &OpenFile, offset, len| {
        let request = MapRequest::shared(offset, len);
        file.mmap(request).map(|_| ())
    };
    assert_eq!(offset, 0x1_0000_0000);
    assert_eq!(map(&file, offset, size), Ok(()));
    assert_eq!(map(&file, offset, 4096), Ok(()));
    assert_eq!(map(&file, offset, size + 4096), Err(Errno::EINVAL));
    assert_eq!(map(&file, offset + 4096, 4096), Err(Errno::EINVAL));
    assert_eq!(map(&file, 0, 4096), Err(Errno::EINVAL));
    assert_eq!(map(&other, offset, size), Err(Errno::EACCES));
    let private = MapRequest {
        shared: false,
        ..MapRequest::shared(offset, size)
    };
    assert_eq!(file.mmap(private).map(|_| ()), Err(Errno::EINVAL));
    drop((file, other));
    finish(card);
}

#[test]
fn a_mapping_outlives_handle_unplug_and_descriptor_and_shows_the_drivers_bytes() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let (handle, offset, size) = dumb(&file).unwrap();
    let object = {
        let drm_file = card.dev().files().pop().unwrap();
        drm_gem_object_lookup(&drm_file, handle).unwrap()
    };
    let mapping = file.mmap(MapRequest::shared(offset, size)).unwrap();
    let mut destroy = DrmModeDestroyDumb { handle };
    ioctl(&file, DRM_IOCTL_MODE_DESTROY_DUMB, &mut destroy).unwrap();
    // Without a handle there is no new mapping.
    let again = file.mmap(MapRequest::shared(offset, size));
    assert_eq!(again.err(), Some(Errno::EACCES));
    card.remove();
    drop(file);
    object.region().write(100, b"scanned out").unwrap();
    let mut back = [0; 11];
    mapping.read(100, &mut back).unwrap();
    assert_eq!(&back, b"scanned out");
    assert_eq!(object.users(), 2);
    assert!(!card.dev().is_released());
    drop(mapping);
    assert_eq!(object.users(), 1);
    assert!(card.dev().is_released());
    drop(object);
    card.finish();
}

#[test]
fn an_exported_buffer_pins_the_device_without_any_file_of_it() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let (handle, _, size) = dumb(&file).unwrap();
    let mut program = Process::new();
    let request = DrmPrimeHandle {
        handle,
        flags: DRM_RDWR | DRM_CLOEXEC,
        fd: -1,
    };
    let arg = program.map(zerocopy::IntoBytes::as_bytes(&request).to_vec());
    file.ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, arg, &mut program)
        .unwrap();
    let answer: DrmPrimeHandle = zerocopy::FromBytes::read_from_bytes(program.bytes(arg)).unwrap();
    let exported = program.file(answer.fd).unwrap();
    program.close(answer.fd).unwrap();
    assert_eq!(exported.lseek(0, Whence::End), Ok(size));
    card.remove();
    drop(file);
    assert_eq!(card.dev().open_count(), 0);
    assert_eq!(card.refs(), [Some(1), Some(1), Some(1)]);
    // Its memory can still be mapped: the device is not asked.
    let mapping = exported.mmap(MapRequest::shared(0, size)).unwrap();
    mapping.write(0, b"x").unwrap();
    drop(exported);
    assert!(!card.dev().is_released());
    drop(mapping);
    assert!(card.dev().is_released());
    assert!(card.hardware.is_released());
    card.finish();
}

#[test]
fn exports_of_one_buffer_are_one_file_until_its_last_handle_goes() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let (handle, _, _) = dumb(&file).unwrap();
    let mut program = Process::new();
    let export = |program: &mut Process| {
        let request = DrmPrimeHandle {
            handle,
            flags: 0,
            fd: -1,
        };
        let arg = program.map(zerocopy::IntoBytes::as_bytes(&request).to_vec());
        file.ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, arg, program)
            .unwrap();
        let answer: DrmPrimeHandle =
            zerocopy::FromBytes::read_from_bytes(program.bytes(arg)).unwrap();
        answer.fd
    };
    let (first, second) = (export(&mut program), export(&mut program));
    let same = program
        .file(first)
        .unwrap()
        .same(&program.file(second).unwrap());
    assert!(same);
    let refs = || drm_dev_kref_read(&card.dev());
    assert_eq!(refs(), 3);
    program.close(first).unwrap();
    program.close(second).unwrap();
    // Kept for the next export.
    assert_eq!(refs(), 3);
    let mut destroy = DrmModeDestroyDumb { handle };
    ioctl(&file, DRM_IOCTL_MODE_DESTROY_DUMB, &mut destroy).unwrap();
    assert_eq!(refs(), 2);
    drop(file);
    finish(card);
}

#[test]
fn a_name_opens_the_buffer_from_another_file_until_its_last_handle_goes() {
    let card = Card::display(Removal::Unplug);
    let (file, other) = (card.open(), card.open());
    let (handle, _, size) = dumb(&file).unwrap();
    let mut flink = DrmGemFlink { handle, name: 0 };
    ioctl(&file, DRM_IOCTL_GEM_FLINK, &mut flink).unwrap();
    assert_eq!(flink.name, 1);
    let opened = |file: &OpenFile| {
        let mut open = DrmGemOpen {
            name: 1,
            ..DrmGemOpen::default()
        };
        ioctl(file, DRM_IOCTL_GEM_OPEN, &mut open).map(|_| (open.handle, open.size))
    };
    assert_eq!(opened(&other), Ok((1, size)));
    drop(file);
    assert_eq!(opened(&other), Ok((2, size)));
    drop(other);
    let third = card.open();
    assert_eq!(opened(&third), Err(Errno::ENOENT));
    drop(third);
    finish(card);
}

#[test]
fn without_the_drivers_help_there_are_no_dumb_buffers() {
    let driver = DrmDriver {
        dumb_create: None,
        ..display_driver()
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    let file = card.open();
    assert_eq!(create(&file, 1, 1, 8), Err(Errno::ENOSYS));
    assert_eq!(dumb(&file).err(), Some(Errno::ENOSYS));
    drop(file);
    finish(card);
    let driver = DrmDriver {
        features: Features::NONE,
        dumb_create: Some(Arc::new(|_, _, _| panic!("dumb_create"))),
        ..display_driver()
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    let file = card.open();
    assert_eq!(create(&file, 1, 1, 8), Err(Errno::EIO));
    let mut close = DrmGemClose::default();
    let closed = ioctl(&file, DRM_IOCTL_GEM_CLOSE, &mut close);
    assert_eq!(closed, Err(Errno::EOPNOTSUPP));
    drop(file);
    card.remove();
}

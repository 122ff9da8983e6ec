//! Regions and mappings.

use lastfd_chrdev::*;
use lastfd_model::raw::kref_read;
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex};

use crate::board::Board;

#[test]
fn a_mapping_shares_pages_with_the_driver_and_outlives_unplug() {
    let board = Board::new();
    let file = board.open();
    let mapping = file.mmap(MapRequest::shared(4096, 100)).unwrap();
    assert_eq!(mapping.len(), PAGE_SIZE);
    board.unplug();
    assert_eq!(
        file.mmap(MapRequest::shared(0, 1)).err(),
        Some(Errno::ENODEV)
    );
    drop(file);
    board.sensor.frame.write(4096, b"late frame").unwrap();
    let mut seen = [0; 10];
    mapping.read(0, &mut seen).unwrap();
    assert_eq!(&seen, b"late frame");
    mapping.write(5, b"F").unwrap();
    board.sensor.frame.read(4101, &mut seen[..1]).unwrap();
    assert_eq!(seen[0], b'F');
    assert_eq!(
        kref_read(&board.device),
        1,
        "the open file's cdev pins the device"
    );
    drop(mapping);
    assert!(board.device.is_released());
}

#[test]
fn the_memory_lasts_until_its_last_user_is_gone() {
    let board = Board::new();
    let region = board.sensor.frame.clone();
    let mapping = board.open().mmap(MapRequest::shared(0, 1)).unwrap();
    assert_eq!(region.users(), 3);
    drop(board);
    assert_eq!(
        region.users(),
        3,
        "the mapping keeps the file, that the driver"
    );
    drop(mapping);
    assert_eq!(region.users(), 1);
}

#[test]
fn another_mapping_of_the_memfd_is_the_same_memory() {
    let region = Region::new("shared", PAGE_SIZE).unwrap();
    let file = std::fs::File::from(region.memory().unwrap().0);
    std::os::unix::fs::FileExt::write_all_at(&file, b"from afar", 11).unwrap();
    let mut seen = [0; 9];
    region.read(11, &mut seen).unwrap();
    assert_eq!(&seen, b"from afar");
    assert!(
        file.set_len(0).is_err(),
        "sealed: no page can be taken away"
    );
}

#[test]
fn mmap_is_refused_in_the_kernels_order() {
    let board = Board::new();
    let refused = |file: &OpenFile, request| file.mmap(request).err();
    let file = board.open();
    let any = MapRequest::shared(0, 1);
    let at = |offset, len| MapRequest { offset, len, ..any };
    assert_eq!(refused(&file, at(1, 1)), Some(Errno::EINVAL));
    assert_eq!(refused(&file, at(0, 0)), Some(Errno::EINVAL));
    assert_eq!(refused(&file, at(0, u64::MAX)), Some(Errno::ENOMEM));
    assert_eq!(
        refused(&file, at(u64::MAX - 4095, 1)),
        Some(Errno::EOVERFLOW)
    );
    assert_eq!(refused(&file, at(0, TASK_SIZE + 4096)), Some(Errno::ENOMEM));

    let reader = board.open_for(OpenFlags::RDONLY);
    let writer = board.open_for(OpenFlags::WRONLY);
    let read_only = MapRequest {
        write: false,
        ..any
    };
    assert_eq!(refused(&reader, any), Some(Errno::EACCES));
    assert_eq!(refused(&writer, any), Some(Errno::EACCES));
    assert_eq!(refused(&writer, read_only), Some(Errno::EACCES));
    assert_eq!(refused(&reader, read_only), None);
    assert_eq!(
        refused(
            &reader,
            MapRequest {
                shared: false,
                ..any
            }
        ),
        None
    );
    board.unplug();
    assert_eq!(refused(&reader, any), Some(Errno::EACCES), "before ENODEV");
}

#[test]
fn what_a_mapping_was_not_asked_for_faults() {
    let board = Board::new();
    let file = board.open();
    let request = MapRequest {
        write: false,
        ..MapRequest::shared(0, 1)
    };
    let mapping = file.mmap(request).unwrap();
    assert_eq!(mapping.write(0, &[1]), Err(Errno::EFAULT));
    assert_eq!(mapping.read(4090, &mut [0; 7]), Err(Errno::EFAULT));
    mapping.read(4090, &mut [0; 6]).unwrap();
}

#[test]
fn a_private_mapping_keeps_its_writes_to_itself() {
    let board = Board::new();
    let file = board.open();
    let request = MapRequest {
        shared: false,
        ..MapRequest::shared(0, 8192)
    };
    let mapping = file.mmap(request).unwrap();
    board.sensor.frame.fill(0, 8192, 1).unwrap();
    mapping.write(4094, &[7; 4]).unwrap();
    board.sensor.frame.fill(0, 8192, 2).unwrap();
    let mut seen = [0; 4];
    mapping.read(4093, &mut seen).unwrap();
    assert_eq!(
        seen,
        [1, 7, 7, 7],
        "a page written to is a copy from then on"
    );
    board.sensor.frame.read(4094, &mut seen).unwrap();
    assert_eq!(seen, [2; 4]);
}

#[test]
fn the_driver_is_told_when_the_last_copy_of_a_mapping_goes_before_release() {
    struct Mapper(Region, Arc<Mutex<Vec<&'static str>>>);
    impl FileOps for Mapper {
        fn mmap(&self, _: &File, request: &MapRequest) -> Result<Mapped> {
            let log = Arc::clone(&self.1);
            let mapped = Mapped::new(&self.0, request.offset as usize);
            Ok(mapped.on_close(move || log.lock().push("close")))
        }
        fn release(&self, _: &File) {
            self.1.lock().push("release");
        }
    }
    let system = System::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let ops = Arc::new(Mapper(Region::new("m", 4096).unwrap(), Arc::clone(&log)));
    let file = anon_inode_getfile(&system, "m", ops, None, OpenFlags::RDWR, None).unwrap();
    let mapping = file.mmap(MapRequest::shared(0, 1)).unwrap();
    let copy = mapping.clone();
    let beyond = file.mmap(MapRequest::shared(4096, 1)).err();
    assert_eq!(beyond, Some(Errno::EINVAL), "the driver has no such memory");
    assert_eq!(
        log.lock().drain(..).collect::<Vec<_>>(),
        ["close"],
        "its books are right again"
    );
    drop((file, mapping));
    assert!(log.lock().is_empty());
    drop(copy);
    assert_eq!(*log.lock(), ["close", "release"]);
}

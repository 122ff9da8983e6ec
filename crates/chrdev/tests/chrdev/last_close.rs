//! The last close, observed by drops.

use core::sync::atomic::Ordering;

use lastfd_chrdev::*;
use lastfd_model::{EventKind, System};
use lastfd_sync::{Arc, Mutex, thread};

use crate::board::Board;

#[test]
fn release_runs_once_at_the_last_of_many_dups_on_many_threads() {
    for _ in 0..50 {
        let board = Board::new();
        let file = board.open();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let dup = file.clone();
                thread::spawn("holder", move || {
                    let another = dup.clone();
                    drop(dup);
                    thread::yield_now();
                    drop(another);
                })
                .unwrap()
            })
            .collect();
        drop(file);
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(board.sensor.releases(), 1);
        assert_eq!(board.cdev.kref(), 1);
    }
}

#[test]
fn dups_share_flags_and_position_and_opens_do_not() {
    let board = Board::new();
    let file = board.open();
    let dup = file.clone();
    let other = board.open();
    dup.set_flags(OpenFlags::NONBLOCK).unwrap();
    assert!(file.flags().contains(OpenFlags::NONBLOCK));
    assert!(!other.flags().contains(OpenFlags::NONBLOCK));
    file.write(&[1, 2, 3]).unwrap();
    assert_eq!(dup.file().pos(), 3);
    assert_eq!(other.file().pos(), 0);
    assert!(file.same(&dup) && !file.same(&other));
}

#[test]
fn a_call_in_progress_holds_the_file_open_past_close() {
    let board = Board::new();
    let file = board.open();
    let mut program = Process::new();
    let buffer = program.map(vec![0; 4]);
    let mut call = file.begin_read(buffer, 4);
    assert!(matches!(call.attempt(&mut program), Attempt::Wait(_)));
    drop(file);
    assert_eq!(board.sensor.releases(), 0);
    board.sensor.push(&[5]);
    let Attempt::Ready(reply) = call.attempt(&mut program) else {
        panic!("not ready");
    };
    assert_eq!(reply.commit(), 1);
    drop(call);
    assert_eq!(board.sensor.releases(), 1);
}

#[test]
fn a_mapping_holds_the_file_open_past_close() {
    let board = Board::new();
    let file = board.open();
    let mapping = file.mmap(MapRequest::shared(0, 10)).unwrap();
    let in_the_child = mapping.clone();
    drop(file);
    drop(mapping);
    assert_eq!(board.sensor.releases(), 0);
    drop(in_the_child);
    assert_eq!(board.sensor.releases(), 1);
}

#[test]
fn private_data_is_dropped_after_release() {
    struct Noted(Arc<Mutex<Vec<String>>>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.lock().push("private dropped".to_owned());
        }
    }
    struct Driver(Arc<Mutex<Vec<String>>>);
    impl FileOps for Driver {
        fn release(&self, file: &File) {
            assert!(file.private::<Noted>().is_some());
            assert!(file.private::<String>().is_none());
            self.0.lock().push("release".to_owned());
        }
    }
    let system = System::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let private = Arc::new(Noted(Arc::clone(&log)));
    let ops = Arc::new(Driver(Arc::clone(&log)));
    let flags = OpenFlags::RDONLY;
    let file = anon_inode_getfile(&system, "noted", ops, Some(private), flags, None).unwrap();
    drop(file);
    assert_eq!(*log.lock(), ["release", "private dropped"]);
}

#[test]
fn the_last_close_is_told_after_release_and_before_the_device_goes() {
    let board = Board::new();
    let file = board.open();
    board.unplug();
    let record = board.system.record();
    drop(file);
    let told: Vec<_> = record
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::FileClosed { file, device } => {
                assert_eq!(device.unwrap().to_string(), "lfq0");
                Some(file.path.to_string())
            }
            EventKind::Released { device } => Some(format!("RELEASE {device}")),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["/dev/lfq0", "RELEASE lfq0"]);
    assert_eq!(board.sensor.releases.load(Ordering::SeqCst), 1);
}

#[test]
fn a_file_may_outlive_every_handle_of_its_system() {
    let board = Board::new();
    let record = board.system.record();
    let file = board.open();
    let Board { system, sensor, .. } = board;
    drop(system);
    let leaks = record.events();
    let leaks = leaks
        .iter()
        .filter(|e| matches!(e.kind, EventKind::Leak { .. }));
    assert!(
        leaks.count() > 0,
        "the device under the open file is a leak"
    );
    drop(file);
    assert_eq!(sensor.releases(), 1);
}

#[test]
fn descriptors_calls_and_mappings_may_move_between_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Call>();
    send::<Process>();
    send::<OpenFile>();
    sync::<OpenFile>();
    send::<Mapping>();
    sync::<Mapping>();
    send::<Fifo<u8>>();
    sync::<Fifo<u8>>();
    sync::<Cdev>();
}

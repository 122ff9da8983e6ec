//! Callbacks that panic: the call fails, the System goes on.

use lastfd_chrdev::*;
use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use crate::board::{Board, Sensor, splats};

/// Panics in the callback that is named.
struct Broken(Mutex<&'static str>, Fifo<u8>);

impl Broken {
    fn at(&self, place: &str) {
        assert!(*self.0.lock() != place, "broken in {place}");
    }
}

struct Fragile(Arc<Broken>);

impl Drop for Fragile {
    fn drop(&mut self) {
        self.0.at("roll back");
    }
}

impl FileOps for Broken {
    fn open(&self, _: &File) -> Result {
        self.at("open");
        Ok(())
    }
    fn release(&self, _: &File) {
        self.at("release");
    }
    fn read(&self, file: &File, _: &mut Read<'_>) -> Try<usize> {
        self.at("read");
        let broken: Arc<Broken> = file.private().unwrap();
        let fragile = Fragile(broken);
        Try::ready(1, move || {
            fragile.0.at("commit");
        })
    }
    fn write(&self, _: &File, _: &mut Write<'_>) -> Try<usize> {
        let taken = self.1.take(1);
        self.at("write");
        drop(taken);
        Try::ok(1)
    }
    fn ioctl(&self, _: &File, _: &mut Ioctl<'_>) -> Try<i32> {
        self.at("ioctl");
        Try::ok(0)
    }
    fn poll(&self, _: &File, _: &mut PollTable) -> PollMask {
        self.at("poll");
        PollMask::NONE
    }
    fn mmap(&self, _: &File, _: &MapRequest) -> Result<Mapped> {
        self.at("mmap");
        Err(Errno::ENODEV)
    }
    fn llseek(&self, _: &File, _: i64, _: Whence) -> Result<u64> {
        self.at("llseek");
        Ok(0)
    }
}

#[test]
fn each_callback_that_panics_is_a_splat_and_eio_and_the_next_call_works() {
    let broken = Arc::new(Broken(Mutex::new(""), Fifo::new(1)));
    broken.1.push(1).unwrap();
    let ops = Arc::clone(&broken) as Arc<dyn FileOps>;
    let board = Board::with(lastfd_model::System::new(), Sensor::new(), ops);
    let file = board.open();
    file.file().set_private(Arc::clone(&broken) as FilePrivate);
    let eio = Some(Errno::EIO);

    type Use<'a> = (&'static str, Box<dyn Fn() -> Option<Errno> + 'a>);
    let uses: [Use<'_>; 6] = [
        ("read", Box::new(|| file.read(&mut [0]).err())),
        ("write", Box::new(|| file.write(&[0]).err())),
        ("ioctl", Box::new(|| file.ioctl_bytes(1, &mut []).err())),
        ("llseek", Box::new(|| file.lseek(0, Whence::Set).err())),
        (
            "mmap",
            Box::new(|| file.mmap(MapRequest::shared(0, 1)).err()),
        ),
        (
            "open",
            Box::new(|| open(&board.system, "/dev/lfq0", OpenFlags::RDWR).err()),
        ),
    ];
    for (place, use_it) in uses {
        let record = board.system.record();
        *broken.0.lock() = place;
        assert_eq!(use_it(), eio, "{place}");
        *broken.0.lock() = "";
        assert_ne!(use_it(), eio, "{place}");
        let told = splats(&record.events());
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, SplatKind::Panic);
        assert!(
            told[0].1.contains(&format!("broken in {place}")),
            "{told:?}"
        );
    }
    assert_eq!(
        broken.1.len(),
        1,
        "items set aside by the unwound write are back"
    );
    assert_eq!(board.cdev.kref(), 2, "the open that panicked holds nothing");

    *broken.0.lock() = "poll";
    assert_eq!(file.try_poll(&mut PollTable::now()), PollMask::ERR);
    *broken.0.lock() = "commit";
    assert_eq!(
        file.read(&mut [0]),
        Ok(1),
        "the reply was taken all the same"
    );
    *broken.0.lock() = "roll back";
    let mut program = Process::new();
    let mut call = file.begin_read(0, 1);
    assert!(matches!(call.attempt(&mut program), Attempt::Ready(_)));
    drop(call);
    *broken.0.lock() = "release";
    drop(file);
    assert_eq!(board.cdev.kref(), 1, "the last close is complete");
}

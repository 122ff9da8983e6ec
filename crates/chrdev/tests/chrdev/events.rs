//! Events and ledger lines of open files.

use lastfd_chrdev::*;
use lastfd_model::{EventKind, Holding, System};
use lastfd_sync::Arc;

use crate::board::{Board, GET_FD};

#[test]
fn a_files_life_is_told_with_one_identity() {
    let board = Board::new();
    let record = board.system.record();
    let file = board.open();
    file.ioctl_file(GET_FD, 0).unwrap();
    let id = file.file().id();
    drop(file);
    let told: Vec<String> = record
        .events()
        .iter()
        .filter(|event| match &event.kind {
            EventKind::FileOpened { file, .. }
            | EventKind::OperationBegin { file, .. }
            | EventKind::OperationEnd { file, .. }
            | EventKind::FileClosed { file, .. } => file.id == id,
            _ => false,
        })
        .map(|event| event.kind.to_string())
        .collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let name = format!("/dev/lfq0 (file {id})");
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].contains(&name));
    assert_eq!(told[1], format!("{name}: ioctl GET_FD …"));
    assert_eq!(told[2], format!("{name}: ioctl GET_FD = 0"));
    assert_eq!(told[3], format!("{name}: last close"));
}

#[test]
fn the_ledger_knows_open_files_waiters_and_mappings_and_where_they_came_from() {
    let board = Board::on(System::builder().ledger(true).build());
    let held = |holding| {
        let lines = board.system.ledger();
        lines
            .into_iter()
            .filter(move |l| l.holding == holding)
            .collect::<Vec<_>>()
    };
    let file = board.open();
    let here = line!() - 1;
    let lines = held(Holding::OpenFile);
    assert_eq!(lines.len(), 1);
    let place = lines[0].place.unwrap();
    assert!(
        place.file().ends_with("board.rs"),
        "open_for is the opener: {place} {here}"
    );
    assert_eq!(lines[0].device.as_ref().unwrap().to_string(), "lfq0");

    let mapping = file.mmap(MapRequest::shared(0, 1)).unwrap();
    let line = line!() - 1;
    let lines = held(Holding::Mapping);
    assert_eq!(lines[0].place.unwrap().line(), line);

    let mut program = Process::new();
    let buffer = program.map(vec![0; 1]);
    let mut call = file.begin_read(buffer, 1);
    assert!(matches!(call.attempt(&mut program), Attempt::Wait(_)));
    call.blocked();
    assert!(
        held(Holding::Waiter)[0]
            .what
            .starts_with("read on /dev/lfq0")
    );
    call.woken();
    assert!(held(Holding::Waiter).is_empty());

    drop((call, file));
    assert_eq!(held(Holding::OpenFile).len(), 1, "the mapping holds it");
    drop(mapping);
    assert!(held(Holding::OpenFile).is_empty());
    assert!(held(Holding::Mapping).is_empty());
}

#[test]
fn replaced_callbacks_serve_the_file_from_open_on() {
    struct Stub(Arc<dyn FileOps>);
    impl FileOps for Stub {
        fn open(&self, file: &File) -> lastfd_model::Result {
            file.replace_ops(Arc::clone(&self.0));
            self.0.open(file)
        }
    }
    let sensor = crate::board::Sensor::new();
    let stub = Arc::new(Stub(Arc::clone(&sensor) as Arc<dyn FileOps>));
    let board = Board::with(System::new(), sensor, stub);
    let file = board.open();
    board.sensor.push(&[1]);
    assert_eq!(file.read(&mut [0]), Ok(1));
    drop(file);
    assert_eq!(*board.sensor.log.lock(), ["open", "read", "release"]);
}
#[test]
fn an_event_carries_the_callers_place_with_the_ledger_on() {
    let board = Board::on(System::builder().ledger(true).build());
    let record = board.system.record();
    let path = "/dev/lfq0";
    let file = open(&board.system, path, OpenFlags::RDWR).unwrap();
    let line = line!() - 1;
    board.sensor.push(&[1]);
    file.read(&mut [0]).unwrap();
    let events = record.events();
    let place = |wanted: fn(&EventKind) -> bool| {
        let event = events.iter().find(|event| wanted(&event.kind)).unwrap();
        let place = event.place.unwrap();
        (place.file(), place.line())
    };
    assert_eq!(
        place(|kind| matches!(kind, EventKind::FileOpened { .. })),
        (file!(), line)
    );
    assert_eq!(
        place(|kind| matches!(kind, EventKind::OperationBegin { .. })),
        (file!(), line + 3)
    );
}

//! What each call gives on a device.

use crate::rig::{Build, Rig};

pub(crate) const CALLS: &str = "\
fstat 0 20600 10:127 nlink 1
stat 0 20600 10:127
reserved 1
getfl 0x8002
ioctl 0 42
ioctl null EFAULT
ioctl unknown ENOTTY
write 3
readv 3
setfl 0
read nothing EAGAIN
read null EFAULT
lseek 0
ftruncate EINVAL
dups reserved 1 1 cloexec 1
dup ioctl 0 42
readlink /dev/gadget
reopen 0
child 0
child reserved 1
child ioctl 0
access rw 0
access x EACCES
opendir ENOTDIR
excl EEXIST
nothing ENOENT
mmap frame
mmap bad EINVAL
";

#[test]
fn a_dynamic_program_gets_the_kernels_answers_to_every_call() {
    for rig in Rig::both() {
        assert_eq!(rig.run(&["calls"]), CALLS);
    }
}

#[test]
fn a_static_program_gets_the_same() {
    let Some(rig) = Rig::with(Build::Static) else {
        return;
    };
    assert_eq!(rig.run(&["calls"]), CALLS);
}

#[test]
fn what_a_program_writes_to_mapped_memory_the_driver_reads() {
    for rig in Rig::both() {
        rig.run(&["calls"]);
        let mut seen = [0; 5];
        rig.gadget.frame.read(2 * 4096, &mut seen).unwrap();
        assert_eq!(&seen, b"given");
    }
}

#[test]
fn eight_threads_in_three_processes_get_no_wrong_answer_through_unplug_and_replug() {
    for rig in Rig::both() {
        let mut running: Vec<_> = (0..3).map(|_| rig.start(&["many"])).collect();
        for _ in 0..20 {
            rig.unplug();
            rig.plug();
        }
        for program in &mut running {
            assert_eq!(program.rest(), "wrong 0\n");
            assert!(program.end().success());
        }
        rig.until("all closed", || rig.supervisor.open_files() == 0);
        let opened = rig
            .gadget
            .opened
            .load(lastfd_sync::atomic::Ordering::SeqCst);
        assert_eq!(rig.released(), opened);
    }
}

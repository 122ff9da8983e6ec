//! What must not reach the machine, and is said.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::calls::CALLS;
use crate::rig::Rig;

#[test]
fn mounts_nodes_modules_rings_and_changes_of_the_trees_are_refused_and_said() {
    let Some(rig) = Rig::new() else { return };
    let expected = "\
io_uring ENOSYS
mount EPERM
umount EPERM
mknod EPERM
module EPERM
mkdir EACCES
unlink EPERM
chmod EPERM
create EACCES
write sys EROFS
rename EPERM
null 1
";
    let text = rig.run(&["refused"]);
    assert_eq!(
        text.replace("write sys ENOENT", "write sys EROFS"),
        expected
    );
    assert!(!std::path::Path::new("/tmp/lastfd-no-node").exists());
    let notices = rig.notices.lock().join("\n");
    for word in [
        "io_uring",
        "/sys: EPERM",
        "/dev: EPERM",
        "device node",
        "kernel module",
    ] {
        assert!(notices.contains(word), "{word} in {notices}");
    }
}

/// A file that asks for the rights of another, and one of 32 bits.
#[test]
fn programs_that_cannot_be_served_are_not_run() {
    let Some(rig) = Rig::new() else { return };
    let directory = tempfile::TempDir::new().unwrap();
    let mut elf32 = std::fs::read(rig.program()).unwrap();
    elf32[4] = 1;
    let path = directory.path().join("thirty-two");
    std::fs::write(&path, elf32).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let error = rig.supervisor.spawn(Command::new(&path)).unwrap_err();
    assert!(error.to_string().contains("os error 1"), "{error}");
    assert!(rig.notices.lock()[0].contains("not for x86-64"));
    if rustix::process::geteuid().is_root() {
        let path = directory.path().join("other-rights");
        std::fs::copy(rig.program(), &path).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4755)).unwrap();
        let error = rig.supervisor.spawn(Command::new(&path)).unwrap_err();
        assert!(error.to_string().contains("os error 1"), "{error}");
        assert!(rig.notices.lock()[1].contains("another user's rights"));
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_as_without_us() {
    let Some(rig) = Rig::new() else { return };
    let error = rig
        .supervisor
        .spawn(Command::new("/no/such/program"))
        .unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    assert_eq!(rig.run(&["calls"]), CALLS, "others go on");
}

//! The device goes, the supervisor goes.

use lastfd_chrdev::PollMask;

use crate::rig::{BOUND, Build, Rig};

fn woken_by_unplug(rigs: impl IntoIterator<Item = Rig>) {
    for rig in rigs {
        let mut program = rig.start(&["blocked"]);
        rig.until("five sleepers", || {
            rig.supervisor.open_files() == 5 && rig.waiters() == 5
        });
        rig.unplug();
        let text = program.rest();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let all = PollMask::PRI | PollMask::ERR | PollMask::HUP;
        let mask = format!("{:#x}", all.0);
        let expected = [
            format!("epoll 1 {mask}"),
            "ioctl ENODEV 0".to_owned(),
            format!("poll 1 {mask}"),
            "read ENODEV 0".to_owned(),
            "select 2 0x3".to_owned(),
        ];
        assert_eq!(lines, expected);
        assert!(program.end().success());
    }
}

#[test]
fn a_thread_in_each_kind_of_wait_wakes_at_unplug_with_the_exact_answer() {
    woken_by_unplug(Rig::both());
}

#[test]
fn so_do_those_of_a_static_program() {
    woken_by_unplug(Rig::with(Build::Static));
}

fn is_alive(pid: u32) -> bool {
    // A zombie is as good as dead.
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = text
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[test]
fn a_program_that_waits_and_its_children_end_with_the_supervisor() {
    for rig in Rig::both() {
        let mut program = rig.start(&["forever"]);
        let pid: u32 = program.line().parse().unwrap();
        rig.until("it waits", || rig.waiters() == 1);
        let Rig { supervisor, .. } = &rig;
        assert_eq!(supervisor.open_files(), 1);
        program.child.kill();
        assert!(!is_alive(pid));
        assert!(program.child.wait_timeout(BOUND).is_some());
        rig.until("closed", || rig.released() == 1);
    }
}

#[test]
fn a_program_and_its_child_die_with_their_guard() {
    for rig in Rig::both() {
        let mut program = rig.start(&["forever"]);
        let pid: u32 = program.line().parse().unwrap();
        rig.until("it waits", || rig.waiters() == 1);
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let guard = stat.rsplit(") ").next().unwrap();
        let guard: i32 = guard.split(' ').nth(1).unwrap().parse().unwrap();
        let guard = rustix::process::Pid::from_raw(guard).unwrap();
        rustix::process::kill_process(guard, rustix::process::Signal::KILL).unwrap();
        rig.until("it is dead", || !is_alive(pid));
        assert!(program.child.wait_timeout(BOUND).is_some());
        // The child, which has another parent by now, held the file, too.
        rig.until("closed", || rig.released() == 1);
    }
}

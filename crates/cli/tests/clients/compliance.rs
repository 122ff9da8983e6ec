//! v4l2-compliance, which judges the camera.

use crate::user::{User, is_there, text};

/// What versions before 1.28 do not know: `max_num_buffers` of Linux 6.10, in a word
/// that was reserved before. A kernel fails there with them just so.
const KNOWN: &str = "check_0(crbufs.reserved, sizeof(crbufs.reserved))";

#[test]
fn v4l2_compliance_finds_nothing_that_it_would_not_find_in_a_kernel() {
    if !is_there("v4l2-compliance") {
        return;
    }
    let command = ["v4l2-compliance", "-d", "/dev/video0", "-s", "20"];
    let user = User::new();
    let output = user.run(&["camera:fps=1000"], &command).output().unwrap();
    let said = text(&output);
    let failures: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("fail: ") || line.ends_with(": FAIL"))
        .collect();
    match &failures[..] {
        [] => assert!(said.contains("Failed: 0"), "{said}"),
        [what, test] => {
            assert!(what.ends_with(KNOWN), "{said}");
            assert!(
                test.contains("test VIDIOC_REQBUFS/CREATE_BUFS/QUERYBUF"),
                "{said}"
            );
            assert!(said.contains("Succeeded: 53, Failed: 1,"), "{said}");
        }
        more => panic!("{more:#?}\n{said}"),
    }
    for done in [
        "test MMAP (no poll): OK",
        "test MMAP (epoll): OK",
        "verdict: clean",
    ] {
        assert!(said.contains(done), "no `{done}`: {said}");
    }
}

//! What the bench `served` runs, so that it cannot rot.

use crate::rig::Rig;

#[test]
fn the_programs_of_the_figures_run() {
    let Some(rig) = Rig::new() else { return };
    let all: [(&str, &[&str]); 2] = [
        ("speed", &["ioctl", "stat", "open", "native", "pingpong"]),
        ("foreign", &["stat", "open", "poll"]),
    ];
    for (what, names) in all {
        let text = rig.run(&[what, "20"]);
        for name in names {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let us: f64 = line.unwrap().trim().parse().unwrap();
            assert!(us > 0.0, "{text}");
        }
    }
}

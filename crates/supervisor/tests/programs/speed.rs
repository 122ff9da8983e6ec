//! What the bench `served` runs, so that it cannot rot.

use crate::rig::Rig;

#[test]
fn the_program_of_the_figures_runs() {
    let Some(rig) = Rig::new() else { return };
    let text = rig.run(&["speed", "20"]);
    for name in ["ioctl", "stat", "open", "native", "pingpong"] {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let us: f64 = line.unwrap().trim().parse().unwrap();
        assert!(us > 0.0, "{text}");
    }
}

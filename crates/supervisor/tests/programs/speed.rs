//! Figures, as ratios within one run, for those who ask: `LASTFD_FIGURES=1`. Without it
//! the same program runs a few times, so that it cannot rot.

use lastfd_sync::Clock;

use crate::rig::Rig;

#[test]
fn the_figures_can_be_taken() {
    let Some(rig) = Rig::new() else { return };
    let many = std::env::var_os("LASTFD_FIGURES").is_some();
    let text = rig.run(&["speed", if many { "20000" } else { "20" }]);
    let of = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    assert!(
        of("ioctl") > 0.0 && of("trap") > 0.0 && of("pingpong") > 0.0,
        "{text}"
    );
    let clock = Clock::real();
    let rounds = if many { 200 } else { 2 };
    let begun = clock.now();
    for _ in 0..rounds {
        rig.add_other("figure");
        rig.remove_other();
    }
    let plugs = (clock.now().0 - begun.0) as f64 / f64::from(rounds) / 1e6;
    let begun = clock.now();
    for _ in 0..rounds {
        let command = std::process::Command::new("true");
        assert!(rig.supervisor.spawn(command).unwrap().wait().success());
    }
    let starts = (clock.now().0 - begun.0) as f64 / f64::from(rounds) / 1e6;
    if many {
        let figures = format!(
            "{text}ioctl / pingpong {:.2}\nstat / trap {:.2}\nopen / trap {:.2}\n\
             plug and back {plugs:.3} ms\nstart of true {starts:.2} ms\n",
            of("ioctl") / of("pingpong"),
            of("stat") / of("trap"),
            of("open") / of("trap"),
        );
        let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures.txt");
        std::fs::write(target, figures).unwrap();
    }
}

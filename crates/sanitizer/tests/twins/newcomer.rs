//! A driver with three different mistakes, written as a newcomer to the API would: the
//! three reports say what to do.

use super::stage::*;
use core::time::Duration;
use lastfd_sanitizer::Finding;

/// A sensor with a node to read it by, a work that polls it, and an interrupt.
fn driver(system: &System) -> Driver {
    let driver = platform_driver(system, "sensor");
    driver.set_probe(|device| {
        let system = device.system();

        // The interrupt first, "so that none is missed".
        let latest: Arc<OnceLock<DevMem>> = Arc::default();
        let of_handler = Arc::clone(&latest);
        let line = &board(device).line;
        let irq = request_irq(line, Some(device), "sensor", false, move || {
            if let Some(latest) = of_handler.get() {
                latest.write(0, &[1]);
            }
            IrqReturn::Handled
        })?;
        devm_add_action_or_reset(
            device,
            Action::new(move || free_irq(&irq)).named("free_irq"),
        )?;
        let _ = latest.set(devm_kzalloc(device, 8)?);

        // "devm cleans up, so the file can read it any time."
        let shown = devm_kzalloc(device, 4)?;
        let misc = sensor_node(device, reading(move || Ok(shown.read(0..4))));
        misc_register(&system, &misc)?;
        let deregister = {
            let system = system.clone();
            move || misc_deregister(&system, &misc)
        };
        devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))?;

        // "The work stops by itself when there is no device."
        let polling = DelayedWork::new(&system, Some(device), "polling", || {});
        polling.schedule(Duration::from_secs(1));
        Ok(())
    });
    driver
}

#[test]
fn three_mistakes_of_a_newcomer_are_three_reports_that_say_what_to_do() {
    let found = play(Rules::Linux6_12, |system| {
        life(system, &driver(system), |device| {
            board(device).line.raise();
            open_sensor(system).read(&mut [0; 4]).unwrap();
        });
    });
    let mut numbers: Vec<u8> = found.iter().map(|finding| finding.rule.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 11, 22]);
    let advice = |number: u8| {
        let of_rule = |finding: &&Finding| finding.rule.number == number;
        found.iter().find(of_rule).map(ToString::to_string).unwrap()
    };
    assert!(advice(3).contains("before request_irq()"));
    assert!(advice(11).contains("each open file holds a reference"));
    assert!(advice(22).contains("disable_delayed_work_sync()"));
    let reports: Vec<String> = found.iter().map(ToString::to_string).collect();
    crate::snapshot("newcomer", &reports.join("\n\n"));
}

//! Asks a C compiler what is true.

use std::path::Path;
use std::process::Command;

/// A header, under the first of these names that the machine has.
pub(crate) struct Header(Vec<&'static str>);

impl Header {
    /// By any of the names.
    pub(crate) fn any(names: &[&'static str]) -> Header {
        Header(names.to_vec())
    }

    fn found(&self) -> Option<&'static str> {
        let there = |name: &&&str| Path::new("/usr/include").join(name).exists();
        self.0.iter().find(there).copied()
    }
}

/// An expression of C and the value it has here.
pub(crate) struct Check {
    /// The expression.
    pub(crate) expression: String,
    /// The macro without which it is left out: newer than the headers.
    pub(crate) needs: Option<&'static str>,
    /// The value.
    pub(crate) value: u64,
}

/// The value of a macro, if the headers have it.
pub(crate) fn number(name: &'static str, value: u64) -> Check {
    Check {
        expression: name.into(),
        needs: Some(name),
        value,
    }
}

/// The size of a type.
pub(crate) fn size(type_: &str, value: usize) -> Check {
    Check {
        expression: format!("sizeof({type_})"),
        needs: None,
        value: value as u64,
    }
}

/// Where a member lies.
pub(crate) fn field(type_: &str, field: &str, value: usize) -> Check {
    Check {
        expression: format!("offsetof({type_}, {field})"),
        needs: None,
        value: value as u64,
    }
}

/// Compares every check with what the compiler says.
pub(crate) fn holds(headers: &[Header], checks: &[Check]) {
    match ask(headers, checks) {
        Ok(answers) => {
            let wrong: Vec<String> = checks
                .iter()
                .zip(&answers)
                .filter(|(check, answer)| answer.is_some_and(|answer| answer != check.value))
                .map(|(check, answer)| {
                    format!(
                        "{}: {:?} in C, {} here",
                        check.expression, answer, check.value
                    )
                })
                .collect();
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            let known = answers.iter().flatten().count();
            assert!(
                known * 10 >= checks.len() * 9,
                "only {known} of {} are known",
                checks.len()
            );
        }
        Err(missing) => {
            let required = std::env::var("LASTFD_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
            assert!(!required, "cannot compare with the C headers: {missing}");
            tell(&format!("not compared with the C headers: {missing}"));
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test that leaves something out says so"
)]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// One answer per check; `None` where the headers do not know it.
fn ask(headers: &[Header], checks: &[Check]) -> Result<Vec<Option<u64>>, String> {
    let mut text = String::from("#include <stdio.h>\n#include <stddef.h>\n#include <fcntl.h>\n");
    for header in headers {
        let name = header
            .found()
            .ok_or_else(|| format!("no header {}", header.0.join(" or ")))?;
        text.push_str(&format!("#include <{name}>\n"));
    }
    text.push_str("int main(void) {\n");
    for check in checks {
        let line = format!(
            "printf(\"%llu\\n\", (unsigned long long)({}));\n",
            check.expression
        );
        match check.needs {
            Some(needs) => {
                text.push_str(&format!(
                    "#ifdef {needs}\n{line}#else\nputs(\"-\");\n#endif\n"
                ));
            }
            None => text.push_str(&line),
        }
    }
    text.push_str("return 0;\n}\n");
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (source, program) = (directory.path().join("ask.c"), directory.path().join("ask"));
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    let compiled = Command::new("cc")
        .arg("-w")
        // libdrm's headers include each other without their folder.
        .arg("-I/usr/include/libdrm")
        .arg("-o")
        .args([&program, &source])
        .output()
        .map_err(|error| format!("no C compiler: {error}"))?;
    assert!(
        compiled.status.success(),
        "the headers do not know what is asked:\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let ran = Command::new(&program)
        .output()
        .map_err(|error| error.to_string())?;
    let answers = String::from_utf8(ran.stdout).map_err(|error| error.to_string())?;
    let answers: Vec<Option<u64>> = answers.lines().map(|line| line.parse().ok()).collect();
    assert_eq!(answers.len(), checks.len());
    Ok(answers)
}

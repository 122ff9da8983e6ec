//! An ordinary user with a home, and `lastfd` as that user runs it.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Seconds that anything may take here: `timeout` ends it then.
const BOUND: &str = "30";
/// Where packages put programs.
const FOLDERS: [&str; 5] = [
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/usr/libexec",
    "/usr/lib/iio-sensor-proxy",
];
/// `nobody` of every Linux.
const NOBODY: u32 = 65534;

/// Somebody without rights. Where the tests run as root it is `nobody`, who cannot
/// look into root's folders: what he runs lies in his own.
pub(crate) struct User {
    home: TempDir,
    lastfd: PathBuf,
    is_other: bool,
}

impl User {
    pub(crate) fn new() -> User {
        let home = tempfile::tempdir().unwrap();
        let programs = home.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        let lastfd = programs.join("lastfd");
        std::fs::copy(env!("CARGO_BIN_EXE_lastfd"), &lastfd).unwrap();
        let is_other = home.path().metadata().unwrap().uid() == 0;
        if is_other {
            chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        User {
            home,
            lastfd,
            is_other,
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file of his, with this in it.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// `lastfd` with a bound on its time. A signal to it is for `lastfd` alone, which
    /// passes it on: a program that gets it twice may die of the second.
    pub(crate) fn lastfd(&self) -> Command {
        self.lastfd_within(&[])
    }

    /// The same, started by another program.
    pub(crate) fn lastfd_within(&self, within: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--foreground", "-k", "5", BOUND])
            .args(within)
            .arg(&self.lastfd);
        command
            .stdin(Stdio::null())
            .current_dir(self.home())
            .env_clear()
            .env("PATH", FOLDERS.join(":"))
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.home())
            .env("LANG", "C.UTF-8");
        if self.is_other {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// `lastfd run` of a command with these devices.
    pub(crate) fn run(&self, devices: &[&str], command: &[&str]) -> Command {
        let mut run = self.lastfd();
        run.arg("run");
        for device in devices {
            run.args(["--device", device]);
        }
        run.arg("--").args(command);
        run
    }

    /// Asks his run, from another terminal.
    pub(crate) fn ctl(&self, words: &[&str]) -> String {
        let output = self.lastfd().arg("ctl").args(words).output().unwrap();
        let said = text(&output);
        assert!(output.status.success(), "ctl {words:?}: {said}");
        said
    }
}

/// What was written to both.
pub(crate) fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Whether a stock client, or the file of a package, is there; without it the test has
/// nothing to do, which in the CI is an error.
pub(crate) fn is_there(file: &str) -> bool {
    let has = |folder: &&str| Path::new(folder).join(file).is_file();
    let found = FOLDERS.iter().any(has);
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(found || !ci, "{file} is not installed");
    found
}

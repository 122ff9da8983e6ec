//! What a machine may refuse, refused on purpose: so that what does in its place is run
//! where the machine at hand refuses nothing.

use core::str::FromStr;

/// What is to be as if the machine refused it.
///
/// ```
/// use lastfd_supervisor::Restrictions;
///
/// let docker: Restrictions = "docker,nofile=256".parse().unwrap();
/// assert!(docker.no_pidfd_getfd);
/// assert_eq!(docker.nofile, Some(256));
/// assert!("no-seccomp".parse::<Restrictions>().unwrap_err().to_string().contains("yama1"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// No seccomp listener at all.
    pub no_listener: bool,
    /// `pidfd_getfd` is forbidden, as in Docker's default profile.
    pub no_pidfd_getfd: bool,
    /// `process_vm_readv` and `process_vm_writev` are forbidden, as in Podman's.
    pub no_process_vm: bool,
    /// Yama's `ptrace_scope`: with 1 a process that does not descend from this one may not
    /// be looked into, with more none may.
    pub yama: Option<u32>,
    /// The kernel's version is not above this, as it is told.
    pub kernel: Option<(u32, u32)>,
    /// No `WAIT_KILLABLE_RECV`: Linux before 5.19.
    pub no_wait_killable: bool,
    /// No `SYNC_WAKE_UP`: Linux before 6.6.
    pub no_sync_wake_up: bool,
    /// A listener's receive does not end with the last caller: Linux before 6.11.
    pub no_receive_end: bool,
    /// How a process ended is told to its parent alone: Linux before 6.15. It is told by
    /// `lastfd doctor`, and played nowhere.
    pub no_endings: bool,
    /// No `CONFIG_AF_UNIX_OOB`.
    pub no_urgent: bool,
    /// The limit for open files, of the programs, too.
    pub nofile: Option<u64>,
}

/// A word that refuses nothing known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing to refuse is called '{0}'; there are docker, podman, linux-5.14, linux-5.15 and linux-6.1 for all that is missing there, and no-listener, no-pidfd-getfd, no-process-vm, yama1, yama2, no-wait-killable, no-sync-wake-up, no-receive-end, no-urgent, nofile=N (64 or more)"
)]
pub struct RestrictionError(String);

impl FromStr for Restrictions {
    type Err = RestrictionError;

    fn from_str(text: &str) -> Result<Restrictions, RestrictionError> {
        let mut all = Restrictions::default();
        for word in text.split(',') {
            if !all.profile(word) && !all.one(word) {
                return Err(RestrictionError(word.to_owned()));
            }
        }
        Ok(all)
    }
}

impl Restrictions {
    /// What is missing in a kind of place.
    fn profile(&mut self, word: &str) -> bool {
        match word {
            // github.com/moby/profiles: seccomp/default.json, without CAP_SYS_PTRACE
            "docker" => self.no_pidfd_getfd = true,
            // github.com/containers/common: pkg/seccomp/seccomp.json, without CAP_SYS_PTRACE
            "podman" => self.no_process_vm = true,
            "linux-5.14" | "linux-5.15" => {
                self.kernel = Some((5, if word == "linux-5.14" { 14 } else { 15 }));
                self.no_wait_killable = true;
                self.no_sync_wake_up = true;
                self.no_receive_end = true;
                self.no_endings = true;
                self.no_urgent |= word == "linux-5.14";
            }
            "linux-6.1" => {
                self.kernel = Some((6, 1));
                self.no_sync_wake_up = true;
                self.no_receive_end = true;
                self.no_endings = true;
            }
            _ => return false,
        }
        true
    }

    fn one(&mut self, word: &str) -> bool {
        match word {
            "no-listener" => self.no_listener = true,
            "no-pidfd-getfd" => self.no_pidfd_getfd = true,
            "no-process-vm" => self.no_process_vm = true,
            "yama1" => self.yama = self.yama.max(Some(1)),
            "yama2" => self.yama = self.yama.max(Some(2)),
            "no-wait-killable" => self.no_wait_killable = true,
            "no-sync-wake-up" => self.no_sync_wake_up = true,
            "no-receive-end" => self.no_receive_end = true,
            "no-urgent" => self.no_urgent = true,
            other => {
                let limit = other.strip_prefix("nofile=");
                let limit = limit.and_then(|limit| limit.parse().ok());
                self.nofile = limit.filter(|limit| *limit >= 64);
                return self.nofile.is_some();
            }
        }
        true
    }
}

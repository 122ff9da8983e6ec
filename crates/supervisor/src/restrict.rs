//! What a machine may refuse, refused on purpose: so that what does in its place is run
//! where the machine at hand refuses nothing.

use core::str::FromStr;

/// What is to be as if the machine refused it.
///
/// ```
/// use lastfd_supervisor::Restrictions;
///
/// let docker: Restrictions = "no-pidfd-getfd,nofile=256".parse().unwrap();
/// assert!(docker.no_pidfd_getfd);
/// assert_eq!(docker.nofile, Some(256));
/// assert!("no-seccomp".parse::<Restrictions>().unwrap_err().to_string().contains("yama1"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// `pidfd_getfd` is forbidden, as in Docker's default profile.
    pub no_pidfd_getfd: bool,
    /// `process_vm_readv` and `process_vm_writev` are forbidden, as in Podman's.
    pub no_process_vm: bool,
    /// Yama's `ptrace_scope` is 1: a process that does not descend from this one may not
    /// be looked into.
    pub yama1: bool,
    /// No `WAIT_KILLABLE_RECV`: Linux before 5.19.
    pub no_wait_killable: bool,
    /// No `SYNC_WAKE_UP`: Linux before 6.6.
    pub no_sync_wake_up: bool,
    /// A listener's receive does not end with the last caller: Linux before 6.11.
    pub no_receive_end: bool,
    /// No `CONFIG_AF_UNIX_OOB`.
    pub no_urgent: bool,
    /// The limit for open files, of the programs, too.
    pub nofile: Option<u64>,
}

/// A word that refuses nothing known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing to refuse is called '{0}'; there are no-pidfd-getfd, no-process-vm, yama1, no-wait-killable, no-sync-wake-up, no-receive-end, no-urgent, nofile=N (64 or more), and linux-5.14 or linux-5.15 for all that came to the kernel later"
)]
pub struct RestrictionError(String);

impl FromStr for Restrictions {
    type Err = RestrictionError;

    fn from_str(text: &str) -> Result<Restrictions, RestrictionError> {
        let mut all = Restrictions::default();
        for word in text.split(',') {
            match word {
                "no-pidfd-getfd" => all.no_pidfd_getfd = true,
                "no-process-vm" => all.no_process_vm = true,
                "yama1" => all.yama1 = true,
                "no-wait-killable" => all.no_wait_killable = true,
                "no-sync-wake-up" => all.no_sync_wake_up = true,
                "no-receive-end" => all.no_receive_end = true,
                "no-urgent" => all.no_urgent = true,
                "linux-5.14" | "linux-5.15" => {
                    all.no_wait_killable = true;
                    all.no_sync_wake_up = true;
                    all.no_receive_end = true;
                    all.no_urgent |= word == "linux-5.14";
                }
                other => {
                    let limit = other.strip_prefix("nofile=");
                    let limit = limit.and_then(|limit| limit.parse().ok());
                    match limit.filter(|limit| *limit >= 64) {
                        Some(limit) => all.nofile = Some(limit),
                        None => return Err(RestrictionError(other.to_owned())),
                    }
                }
            }
        }
        Ok(all)
    }
}

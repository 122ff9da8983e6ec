//! The kernel's error numbers.

use core::fmt;

/// A kernel error number, kept positive as in `include/uapi/asm-generic/errno.h`.
///
/// ```
/// use lastfd_model::Errno;
/// assert_eq!(Errno::ENODEV.code(), 19);
/// assert_eq!(Errno::ENODEV.to_string(), "ENODEV");
/// assert_eq!(Errno::from_code(19), Errno::ENODEV);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

/// What a kernel-facing call returns.
pub type Result<T = ()> = core::result::Result<T, Errno>;

macro_rules! errnos {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = concat!($text, " (", stringify!($code), ").")]
            pub const $name: Errno = Errno($code);)*

            /// The symbolic name, as `errname()` gives it, if the number has one.
            ///
            /// `EPROBE_DEFER` is included though user space never sees it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What the error means, in the words of `strerror`.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "Unknown error",
                }
            }

            /// The number for a symbolic name such as `"ENODEV"`.
            pub fn from_name(name: &str) -> Option<Errno> {
                match name {
                    $(stringify!($name) => Some(Errno::$name),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "Input/output error";
    ENXIO = 6, "No such device or address";
    E2BIG = 7, "Argument list too long";
    EBADF = 9, "Bad file descriptor";
    EAGAIN = 11, "Resource temporarily unavailable";
    ENOMEM = 12, "Cannot allocate memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    EXDEV = 18, "Invalid cross-device link";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EISDIR = 21, "Is a directory";
    EINVAL = 22, "Invalid argument";
    ENFILE = 23, "Too many open files in system";
    EMFILE = 24, "Too many open files";
    ENOTTY = 25, "Inappropriate ioctl for device";
    EFBIG = 27, "File too large";
    ENOSPC = 28, "No space left on device";
    ESPIPE = 29, "Illegal seek";
    EROFS = 30, "Read-only file system";
    EPIPE = 32, "Broken pipe";
    EDOM = 33, "Numerical argument out of domain";
    ERANGE = 34, "Numerical result out of range";
    EDEADLK = 35, "Resource deadlock avoided";
    ENAMETOOLONG = 36, "File name too long";
    ENOSYS = 38, "Function not implemented";
    ELOOP = 40, "Too many levels of symbolic links";
    ENODATA = 61, "No data available";
    ENONET = 64, "Machine is not on the network";
    EPROTO = 71, "Protocol error";
    EOVERFLOW = 75, "Value too large for defined data type";
    EOPNOTSUPP = 95, "Operation not supported";
    ETIMEDOUT = 110, "Connection timed out";
    EREMOTEIO = 121, "Remote I/O error";
    ECANCELED = 125, "Operation canceled";
    EPROBE_DEFER = 517, "Driver requests probe retry";
}

impl Errno {
    /// The error with this number; a negative number (`-19`) is taken as its
    /// positive twin. Zero, which is no error, becomes `EINVAL`.
    pub const fn from_code(code: i32) -> Errno {
        match code {
            0 => Errno::EINVAL,
            i32::MIN => Errno::EOVERFLOW,
            c if c < 0 => Errno(-c),
            c => Errno(c),
        }
    }

    /// The number, always positive.
    pub const fn code(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_both_ways() {
        for code in 1..600 {
            let errno = Errno::from_code(code);
            if let Some(name) = errno.name() {
                assert_eq!(Errno::from_name(name), Some(errno));
            }
        }
        assert_eq!(Errno::from_code(-19), Errno::ENODEV);
    }

    #[test]
    fn an_unnamed_number_prints_as_a_number() {
        assert_eq!(Errno::from_code(512).to_string(), "errno 512");
    }
}

//! Ioctl numbers: `include/uapi/asm-generic/ioctl.h`.

/// The caller's bytes are read (`_IOC_WRITE`, `IOC_IN`).
pub const IOC_IN: u32 = 1 << 30;
/// The caller's bytes are written (`_IOC_READ`, `IOC_OUT`).
pub const IOC_OUT: u32 = 2 << 30;

/// A number from its direction, type, number and size (`_IOC`).
///
/// ```
/// use lastfd_abi::{IOC_IN, IOC_OUT, ioc, ioc_nr, ioc_size, ioc_type};
/// let cmd = ioc(IOC_IN | IOC_OUT, b'd', 0x3a, 24);
/// assert_eq!(cmd, 0xc018_643a);
/// assert_eq!((ioc_type(cmd), ioc_nr(cmd), ioc_size(cmd)), (b'd', 0x3a, 24));
/// ```
///
/// # Panics
/// In a constant: at compile time, if the size does not fit its 14 bits.
pub const fn ioc(direction: u32, type_: u8, nr: u8, size: usize) -> u32 {
    assert!(size < 1 << 14, "an ioctl's argument has less than 16 KiB");
    direction | (size as u32) << 16 | (type_ as u32) << 8 | nr as u32
}

/// No argument (`_IO`).
pub const fn io(type_: u8, nr: u8) -> u32 {
    ioc(0, type_, nr, 0)
}

/// The kernel writes a `T` (`_IOR`).
pub const fn ior<T>(type_: u8, nr: u8) -> u32 {
    ioc(IOC_OUT, type_, nr, size_of::<T>())
}

/// The kernel reads a `T` (`_IOW`).
pub const fn iow<T>(type_: u8, nr: u8) -> u32 {
    ioc(IOC_IN, type_, nr, size_of::<T>())
}

/// The kernel reads a `T` and writes it back (`_IOWR`).
pub const fn iowr<T>(type_: u8, nr: u8) -> u32 {
    ioc(IOC_IN | IOC_OUT, type_, nr, size_of::<T>())
}

/// Bytes of the argument (`_IOC_SIZE`).
pub const fn ioc_size(cmd: u32) -> usize {
    (cmd >> 16 & 0x3fff) as usize
}

/// The subsystem's letter (`_IOC_TYPE`).
pub const fn ioc_type(cmd: u32) -> u8 {
    (cmd >> 8 & 0xff) as u8
}

/// The number within the subsystem (`_IOC_NR`).
pub const fn ioc_nr(cmd: u32) -> u8 {
    (cmd & 0xff) as u8
}

/// One ioctl of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ioctl {
    /// Its name in the header, such as `"DRM_IOCTL_VERSION"`.
    pub name: &'static str,
    /// Its number.
    pub cmd: u32,
}

/// The name of a command in one of the tables. Programs built against other
/// headers may use another size, so only type and number count.
pub fn name_of(table: &[Ioctl], cmd: u32) -> Option<&'static str> {
    table
        .iter()
        .find(|known| known.cmd & 0xffff == cmd & 0xffff)
        .map(|known| known.name)
}

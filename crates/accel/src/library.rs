//! The library that programs preload: the root that `build.rs` compiles. What it does is
//! in `preload/`, which is a module of the crate, too, for tests and checks.
#![no_std]

#[path = "key.rs"]
pub mod key;
#[path = "preload/mod.rs"]
mod preload;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    preload::sys::die()
}

// The compiler asks for these, and a library's own would be another in each C library.
core::arch::global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, @function",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    ".size memcpy, . - memcpy",
    ".hidden memset",
    ".globl memset",
    ".type memset, @function",
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".size memset, . - memset",
    ".hidden bcmp",
    ".globl bcmp",
    ".type bcmp, @function",
    "bcmp:",
    "mov rcx, rdx",
    "xor eax, eax",
    "repe cmpsb",
    "setne al",
    "ret",
    ".size bcmp, . - bcmp",
);

//! Bytes that something outside has put into RAM before the start: QEMU's loader, or a boot loader that has a random
//! number generator at hand.

use core::ptr;

unsafe extern "C" {
    static mut _host: [u8; HOST_BYTES];
}

/// How many there are, at `_host` of the linker script.
pub const HOST_BYTES: usize = 24;

/// Takes the bytes away: after a reset that does not bring new ones, they are all zero.
pub fn take_host_bytes() -> [u8; HOST_BYTES] {
    // SAFETY: the linker script reserves these bytes for this, no other code names them, and start-up is one thread.
    unsafe {
        let bytes = ptr::read_volatile(&raw const _host);
        ptr::write_volatile(&raw mut _host, [0; HOST_BYTES]);
        bytes
    }
}

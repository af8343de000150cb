//! UART 0 of the LM3S6965, as a console.

/// The data register.
const DATA: *mut u32 = 0x4000_c000 as *mut u32;
/// The flags: bit 5 says that it takes nothing more for now.
const FLAGS: *const u32 = 0x4000_c018 as *const u32;

pub(crate) fn write(text: &str) {
    for byte in text.bytes() {
        // SAFETY: both are registers of this part's UART 0, which nothing else uses.
        unsafe {
            while FLAGS.read_volatile() & 1 << 5 != 0 {}
            DATA.write_volatile(byte.into());
        }
    }
}

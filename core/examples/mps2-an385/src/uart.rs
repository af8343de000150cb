//! UART 0 of the MPS2 board (CMSDK APB UART), as a console.

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
/// Bit 0 says that it takes nothing more for now.
const STATE: *const u32 = 0x4000_4004 as *const u32;
const CONTROL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVISOR: *mut u32 = 0x4000_4010 as *mut u32;

/// 115,200 baud of 25 MHz.
const CLOCKS_BY_BIT: u32 = 217;
const TRANSMIT: u32 = 1;

pub(crate) fn write(text: &str) {
    // SAFETY: all are registers of this board's UART 0, which nothing else uses.
    unsafe {
        DIVISOR.write_volatile(CLOCKS_BY_BIT);
        CONTROL.write_volatile(TRANSMIT);
        for byte in text.bytes() {
            while STATE.read_volatile() & 1 != 0 {}
            DATA.write_volatile(byte.into());
        }
    }
}

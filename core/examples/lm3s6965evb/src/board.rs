//! What this board is: its console, its address, its seed.

use core::fmt::{Arguments, Write as _};
use core::net::{Ipv4Addr, SocketAddrV4};

use sprat_firmware::{Board, SEED_BYTES};

/// The data register of UART 0.
const UART0_DATA: *mut u32 = 0x4000_c000 as *mut u32;
/// Its flags: bit 5 says that it takes nothing more for now.
const UART0_FLAGS: *const u32 = 0x4000_c018 as *const u32;

pub(crate) fn describe() -> Board {
    let host = sprat_cortex_m::take_host_bytes();
    let [a, b, c, d, high, low, ..] = host[SEED_BYTES..] else { panic!("too few bytes of the host") };
    let mut seed = [0; SEED_BYTES];
    seed.copy_from_slice(&host[..SEED_BYTES]);
    if seed == [0; SEED_BYTES] {
        log(format_args!("no seed: ids could be guessed, so nothing is started"));
        cortex_m::asm::udf();
    }
    let sntp_port = u16::from_be_bytes([high, low]);
    Board {
        seed,
        address: (Ipv4Addr::new(10, 0, 2, 15), 24, Ipv4Addr::new(10, 0, 2, 2)),
        sntp_server: (sntp_port != 0).then(|| SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), sntp_port)),
        log,
        stack_bytes: sprat_cortex_m::stack_bytes,
        busy_us: sprat_cortex_m::busy_us,
    }
}

fn log(line: Arguments<'_>) {
    // Writing to a UART does not fail.
    let _ = writeln!(Uart, "{line}");
}

struct Uart;

impl core::fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            // SAFETY: both are registers of this part's UART 0, which nothing else uses.
            unsafe {
                while UART0_FLAGS.read_volatile() & 1 << 5 != 0 {}
                UART0_DATA.write_volatile(byte.into());
            }
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    log(format_args!("{info}"));
    cortex_m::asm::udf()
}

//! The chat on an ARM MPS2 board with the AN385 image, as QEMU has it.

#![no_std]
#![no_main]

mod lan9118;
mod uart;

use core::net::Ipv4Addr;

use cortex_m_rt::entry;
use embassy_net::Runner;
use lan9118::Lan9118;
use sprat_firmware::Gate;

/// The processor's clock.
const CORE_HZ: u32 = 25_000_000;
/// The address that QEMU's network has for its guest, and the gateway to its host.
const ADDRESS: (Ipv4Addr, u8, Ipv4Addr) = (Ipv4Addr::new(10, 0, 2, 15), 24, Ipv4Addr::new(10, 0, 2, 2));

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Gate<Lan9118>>) -> ! {
    runner.run().await
}

#[entry]
fn main() -> ! {
    let board = sprat_cortex_m::board(ADDRESS, uart::write);
    let Some(core) = cortex_m::Peripherals::take() else { panic!("started twice") };
    sprat_cortex_m::run(core.SYST, CORE_HZ, |spawner| {
        let runner = sprat_firmware::boot(spawner, Lan9118::new(), board);
        match network(runner) {
            Ok(token) => spawner.spawn(token),
            Err(problem) => panic!("{problem:?}"),
        }
    })
}

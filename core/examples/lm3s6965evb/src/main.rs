//! The chat on a TI Stellaris LM3S6965 evaluation board, as QEMU has it.

#![no_std]
#![no_main]

mod stellaris;
mod uart;

use core::net::Ipv4Addr;

use cortex_m_rt::entry;
use embassy_net::Runner;
use sprat_firmware::Gate;
use stellaris::Stellaris;

/// The processor's clock after a reset, without the PLL.
const CORE_HZ: u32 = 12_000_000;
/// The address that QEMU's network has for its guest, and the gateway to its host.
const ADDRESS: (Ipv4Addr, u8, Ipv4Addr) = (Ipv4Addr::new(10, 0, 2, 15), 24, Ipv4Addr::new(10, 0, 2, 2));

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Gate<Stellaris>>) -> ! {
    runner.run().await
}

#[entry]
fn main() -> ! {
    let board = sprat_cortex_m::board(ADDRESS, uart::write);
    let Some(core) = cortex_m::Peripherals::take() else { panic!("started twice") };
    sprat_cortex_m::run(core.SYST, CORE_HZ, |spawner| {
        let runner = sprat_firmware::boot(spawner, Stellaris::new(), board);
        match network(runner) {
            Ok(token) => spawner.spawn(token),
            Err(problem) => panic!("{problem:?}"),
        }
    })
}

//! The chat on a TI Stellaris LM3S6965 evaluation board, as QEMU has it.

#![no_std]
#![no_main]

mod board;
mod stellaris;

use cortex_m_rt::entry;
use embassy_net::Runner;
use stellaris::Stellaris;

/// The processor's clock after a reset, without the PLL.
const CORE_HZ: u32 = 12_000_000;

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Stellaris>) -> ! {
    runner.run().await
}

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else { panic!("started twice") };
    sprat_cortex_m::run(core.SYST, CORE_HZ, |spawner| {
        let runner = sprat_firmware::boot(spawner, Stellaris::new(core.NVIC), board::describe());
        match network(runner) {
            Ok(token) => spawner.spawn(token),
            Err(problem) => panic!("{problem:?}"),
        }
    })
}

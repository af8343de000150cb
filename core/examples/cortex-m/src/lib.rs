//! Start-up of a Cortex-M3: the tick that time is counted in, the executor and its sleep, how deep the stack has been.
//!
//! This and the boards' drivers are the only places with `unsafe` code.

#![no_std]

mod console;
mod host;
mod ticks;

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::peripheral::SYST;
use embassy_executor::{Spawner, raw};
use sprat_firmware::Board;
use static_cell::StaticCell;

/// Some task is to be polled.
static PENDING: AtomicBool = AtomicBool::new(false);

/// Called by the executor when a task wakes, in interrupts too.
#[unsafe(export_name = "__pender")]
fn pend(_context: *mut ()) {
    PENDING.store(true, Ordering::SeqCst);
}

/// The board, as far as start-up knows it: at `address`, with a console that `write` writes to.
pub fn board(address: (Ipv4Addr, u8, Ipv4Addr), write: fn(&str)) -> Board {
    console::start(write);
    let Some(host) = host::take() else {
        console::log(format_args!("no seed: ids could be guessed, so nothing is started"));
        cortex_m::asm::udf()
    };
    Board {
        seed: host.seed,
        address,
        sntp_server: host.sntp_server,
        log: console::log,
        stack_bytes,
        busy_us: ticks::busy_us,
    }
}

/// Starts the tick and runs tasks for ever, asleep while there is nothing to do. `boot` spawns them.
pub fn run(systick: SYST, core_hz: u32, boot: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    ticks::start(systick, core_hz);
    let executor: &'static raw::Executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    boot(executor.spawner());
    loop {
        if PENDING.swap(false, Ordering::SeqCst) {
            // SAFETY: only this loop polls the executor, and `pend` does not.
            unsafe { executor.poll() };
            continue;
        }
        // An interrupt between the look and the sleep stays pending, and ends the sleep at once.
        cortex_m::interrupt::disable();
        if !PENDING.load(Ordering::SeqCst) {
            ticks::sleep();
        }
        // SAFETY: not in a critical section.
        unsafe { cortex_m::interrupt::enable() };
    }
}

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// The most bytes of the stack that were ever in use, and how many it has. Start-up paints it, use wears the paint off.
fn stack_bytes() -> (usize, usize) {
    let (top, bottom) = (&raw const _stack_start, &raw const _stack_end);
    let mut at = bottom;
    // SAFETY: the linker script puts both ends of the stack into RAM, aligned; a volatile read of any of it is sound.
    while at < top && unsafe { at.read_volatile() } == cortex_m_rt::STACK_PAINT_VALUE {
        at = at.wrapping_add(1);
    }
    (top as usize - at as usize, top as usize - bottom as usize)
}

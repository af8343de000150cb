//! Time: a tick a millisecond from SysTick, and the queue of tasks that wait for one.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ, time_driver_impl};
use embassy_time_queue_utils::Queue;

struct Ticks {
    now: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
    next: Mutex<Cell<u64>>,
    /// Cycles awake, and cycles in a microsecond.
    busy: Mutex<Cell<(u64, u32)>>,
}

time_driver_impl!(static TICKS: Ticks = Ticks {
    now: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
    next: Mutex::new(Cell::new(u64::MAX)),
    busy: Mutex::new(Cell::new((0, 1))),
});

impl Driver for Ticks {
    fn now(&self) -> u64 {
        critical_section::with(|token| self.now.borrow(token).get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|token| {
            let mut queue = self.queue.borrow_ref_mut(token);
            if queue.schedule_wake(at, waker) {
                let next = queue.next_expiration(self.now.borrow(token).get());
                self.next.borrow(token).set(next);
            }
        });
    }
}

#[exception]
fn SysTick() {
    critical_section::with(|token| {
        let now = TICKS.now.borrow(token).get() + 1;
        TICKS.now.borrow(token).set(now);
        if now >= TICKS.next.borrow(token).get() {
            let next = TICKS.queue.borrow_ref_mut(token).next_expiration(now);
            TICKS.next.borrow(token).set(next);
        }
    });
}

/// Starts the tick. The core's own clock, since the external one is not there on all parts.
pub(crate) fn start(mut systick: SYST, core_hz: u32) {
    critical_section::with(|token| TICKS.busy.borrow(token).set((0, core_hz / 1_000_000)));
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(core_hz / TICK_HZ as u32 - 1);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();
}

/// Sleeps until an interrupt, which may be masked. What is not sleep counts as busy.
pub(crate) fn sleep() {
    // Sleeps are shorter than a tick, since the tick ends them: the counter runs down, and wraps at most once.
    let before = SYST::get_current();
    cortex_m::asm::wfi();
    let (after, reload) = (SYST::get_current(), SYST::get_reload());
    let slept = if after <= before { before - after } else { before + reload + 1 - after };
    critical_section::with(|token| {
        let asleep = TICKS.busy.borrow(token);
        let (cycles, by_us) = asleep.get();
        asleep.set((cycles + u64::from(slept), by_us));
    });
}

/// Microseconds that the processor was awake since the start.
pub(crate) fn busy_us() -> u64 {
    critical_section::with(|token| {
        let (asleep, by_us) = TICKS.busy.borrow(token).get();
        let now_us = TICKS.now.borrow(token).get() * (1_000_000 / TICK_HZ);
        now_us.saturating_sub(asleep / u64::from(by_us))
    })
}

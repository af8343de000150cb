//! Lines of text for people, and the last words of a firmware that cannot go on.

use core::cell::Cell;
use core::fmt::{Arguments, Write as _};

use cortex_m_rt::{ExceptionFrame, exception};
use critical_section::Mutex;

/// Writes text somewhere.
type Write = fn(&str);

static WRITE: Mutex<Cell<Option<Write>>> = Mutex::new(Cell::new(None));

pub(crate) fn start(write: Write) {
    critical_section::with(|token| WRITE.borrow(token).set(Some(write)));
}

/// Writes a line.
pub(crate) fn log(line: Arguments<'_>) {
    // Whoever writes cannot fail.
    let _ = writeln!(Console, "{line}");
}

struct Console;

impl core::fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        if let Some(write) = critical_section::with(|token| WRITE.borrow(token).get()) {
            write(text);
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // Where, but not what: the words of all panics would take 10 KB of flash.
    match info.location() {
        Some(place) => log(format_args!("panic: {}:{}", place.file(), place.line())),
        None => log(format_args!("panic")),
    }
    cortex_m::asm::udf()
}

/// Needs some stack itself: if that is what is missing, the processor locks up, and QEMU ends.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    log(format_args!("fault at {:#x}", frame.pc()));
    loop {
        cortex_m::asm::wfi();
    }
}

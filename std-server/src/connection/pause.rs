//! While nothing is read of a client: it has sent more than it may, or more for others than they take.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use crate::engine::Hold;
use crate::reactor::Timer;

/// How often it is looked whether others have taken what a client has sent them.
const LOOK: Duration = Duration::from_millis(1);

/// A pause in reading.
pub(super) struct Pause {
    timer: Timer,
    hold: Option<Hold>,
}

impl Pause {
    /// For so long, and at least until the other sockets have been looked at; longer as long as `hold` lasts.
    pub(super) fn new(wait: Duration, hold: Option<Hold>) -> Self {
        Self { timer: Timer::after(wait), hold }
    }

    /// Ready when it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_held: impl Fn(&Hold) -> bool) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.timer).poll(cx));
            if !self.hold.as_ref().is_some_and(&is_held) {
                return Poll::Ready(());
            }
            self.timer.restart(LOOK);
        }
    }
}

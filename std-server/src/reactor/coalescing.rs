//! Waits a moment before sockets are looked at, while clients send faster than they are answered: as network cards do with their
//! interrupts.
//!
//! A client that does not wait for its answers sends its next message while the last ones are read. A server that is quick to look
//! then finds a message or two at a time, with a wait, a read and a send for each, although 16 would cost it hardly more than one.
//! After a moment's wait there are 16. The moment is short beside what such clients wait anyway, and they wait less for it.

use core::num::NonZeroU64;
use core::time::Duration;

use rustix::thread::{current_timer_slack, set_current_timer_slack};

/// The moment. A thread that sleeps also costs: from about here on longer ones bring little.
const MOMENT: Duration = Duration::from_micros(25);
/// How exactly the system keeps to it, in nanoseconds. Its default, 50 microseconds, is more than the moment.
const SLACK_NS: u64 = 1_000;
/// Messages read at once that tell of a client that does not wait for its answers. Of two or three at most there is nothing to gain.
const BURST_MESSAGES_MIN: usize = 4;
/// How many looks at sockets a burst counts for. A server with nothing to do does not look, so it is no time.
const LOOKS: u64 = 16;

/// Whether to wait. One client alone is not waited for: its answers would all come that much later.
#[derive(Debug, Default)]
pub(super) struct Coalescing {
    looks: u64,
    /// The last burst: the look after which it was read, and whose it was.
    last: Option<(u64, u32)>,
    /// Before this look there is no more waiting.
    end: u64,
}

impl Coalescing {
    /// Notes that a client's messages were read at once, so many of them.
    pub(super) const fn note(&mut self, client: u32, messages: usize) {
        if messages < BURST_MESSAGES_MIN {
            return;
        }
        if let Some((look, other)) = self.last
            && other != client
            && self.looks < look + LOOKS
        {
            self.end = self.looks + LOOKS;
        }
        self.last = Some((self.looks, client));
    }

    /// Whether the next look is waited for.
    #[cfg(test)]
    pub(super) const fn is_on(&self) -> bool {
        self.looks < self.end
    }

    /// Counts a look at the sockets. Whether to wait before it.
    pub(super) const fn look(&mut self) -> bool {
        self.looks += 1;
        self.looks <= self.end
    }
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "everybody is to wait")]
pub(super) fn wait() {
    std::thread::sleep(MOMENT);
}

/// Has this thread's waits end in time, until it is dropped.
#[derive(Debug)]
pub(super) struct PunctualWaits {
    slack_before: Option<NonZeroU64>,
}

impl PunctualWaits {
    pub(super) fn begin() -> Self {
        let slack_before = current_timer_slack().ok().and_then(NonZeroU64::new);
        // Where it cannot be set, a moment is longer.
        let _ = set_current_timer_slack(NonZeroU64::new(SLACK_NS));
        Self { slack_before }
    }
}

impl Drop for PunctualWaits {
    fn drop(&mut self) {
        let _ = set_current_timer_slack(self.slack_before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the looks that are waited for, of so many.
    fn waits(coalescing: &mut Coalescing, looks: usize) -> usize {
        (0..looks).filter(|_| coalescing.look()).count()
    }

    #[test]
    fn bursts_of_two_clients_are_waited_for_a_while() {
        let mut coalescing = Coalescing::default();
        coalescing.note(1, 4);
        assert_eq!(waits(&mut coalescing, 15), 0);
        coalescing.note(2, 4);
        assert_eq!(waits(&mut coalescing, 100), 16);
        // That was too long ago.
        coalescing.note(1, 4);
        assert_eq!(waits(&mut coalescing, 100), 0);
    }

    #[test]
    fn one_client_is_not_waited_for() {
        let mut coalescing = Coalescing::default();
        for _ in 0..100 {
            coalescing.note(1, 32);
            assert!(!coalescing.look());
        }
    }

    #[test]
    fn who_waits_for_answers_is_not_waited_for() {
        let mut coalescing = Coalescing::default();
        for client in 0..100 {
            coalescing.note(client % 8, 3);
            assert!(!coalescing.look());
        }
    }

    #[test]
    fn the_threads_own_slack_comes_back() {
        let before = current_timer_slack().unwrap();
        let waits = PunctualWaits::begin();
        assert_eq!(current_timer_slack().unwrap(), SLACK_NS);
        drop(waits);
        assert_eq!(current_timer_slack().unwrap(), before);
    }
}

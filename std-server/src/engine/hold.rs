//! When less is read of clients than they send, because others have to be sent it first.

use sprat_core::frames::Frames as _;
use sprat_core::time::{Duration, Instant};
use sprat_core::{App, Pressure};

use super::{Engine, Inner};

/// What is waited for: before more is read of a client who says more to others than is sent to them, or taken by them, and before a
/// message is brought that could be too much for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// So many are served: as many as waited when it began.
    served: u64,
    /// Behind them, so much room is waited for, no longer than until then.
    room: Option<(usize, Instant)>,
}

/// How many milliseconds nothing is read of a client at most because others do not take what it has sent them: those who do notice it
/// as a pause.
const HOLD_MS_MAX: u64 = 10;
/// So many bytes of a message make it a millisecond longer, up to a second.
const HOLD_BYTES_PER_MS: usize = 2 << 10;
/// How long short messages wait at most for what others have said, but for those whom all is being sent already.
const SHORT_HOLD_MAX: Duration = Duration::from_ms(50);
/// Of messages from this length on a few fill an outbox: they wait until others have taken something, not only until they were served.
const LONG_MESSAGE_BYTES_MIN: usize = 4 << 10;
/// From this length on, one may be too much for an outbox that is not half full yet.
const HUGE_MESSAGE_BYTES_MIN: usize = 64 << 10;

fn hold_max(bytes: usize) -> Duration {
    Duration::from_ms(HOLD_MS_MAX + (bytes / HOLD_BYTES_PER_MS).min(1_000) as u64)
}

impl<A: App> Engine<A> {
    /// What is to be waited for before a message of so many bytes is brought: it may be for all, and with what others have said at
    /// the same time too much. Many may wait for the same, so whoever has waited asks again; `since` is when it first had to.
    pub(crate) fn hold_before(&self, bytes: usize, since: &mut Option<Instant>) -> Option<Hold> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.has_room(bytes) {
            return None;
        }
        inner.read_instant();
        let now = inner.now.instant;
        let is_long = bytes >= LONG_MESSAGE_BYTES_MIN;
        let until = *since.get_or_insert(now) + if is_long { hold_max(bytes) } else { SHORT_HOLD_MAX };
        let is_worth_it = now < until && !inner.has_room(bytes) && (is_long || inner.senders.waiting() > 0);
        let hold = Hold { served: inner.served_when_all_are(), room: is_long.then_some((bytes, until)) };
        is_worth_it.then_some(hold)
    }

    /// What is to be waited for after messages of so many bytes that brought about so much.
    pub(crate) fn hold(&self, pressure: Pressure, bytes: usize) -> Option<Hold> {
        let inner = &*self.inner.borrow();
        let is_crowded = pressure == Pressure::Crowded;
        let hold = Hold {
            served: inner.served_when_all_are(),
            room: is_crowded.then(|| (0, inner.now.instant + hold_max(bytes))),
        };
        (pressure > Pressure::None).then_some(hold)
    }

    /// Whether it is to be waited for on.
    pub(crate) fn is_held(&self, hold: &Hold) -> bool {
        let inner = &mut *self.inner.borrow_mut();
        inner.read_instant();
        let now = inner.now.instant;
        inner.senders.served < hold.served
            || hold.room.is_some_and(|(bytes, until)| now < until && !inner.has_room(bytes))
    }
}

impl<A: App> Inner<A> {
    /// Whether a message of so many bytes could be brought though it were for all: nobody who is still reading has much to read, and
    /// what all frames together hold, which is more than waits for anybody, leaves room for it.
    fn has_room(&self, bytes: usize) -> bool {
        let outbox_bytes_max = self.server.limits().outbox_bytes_max as usize;
        let fits = || self.server.queued() == 0 || self.server.frames().used_bytes() + bytes <= outbox_bytes_max;
        !self.server.is_crowded(self.now.instant) && (bytes < HUGE_MESSAGE_BYTES_MIN || fits())
    }

    fn served_when_all_are(&self) -> u64 {
        self.senders.served + self.senders.waiting() as u64
    }
}

//! When less is read of clients than they send, because others have to be sent it first.

use sprat_core::time::{Duration, Instant};
use sprat_core::{App, Pressure};

use super::{Engine, Inner};

/// What is waited for: before more is read of a client who says more to others than is sent to them, or taken by them, and before a
/// message is brought that could be too much for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// So many are served: as many as waited when it began.
    served: u64,
    /// Until then, that nobody who still reads has much to read.
    room_until: Option<Instant>,
    /// Nothing is waited for any longer.
    end: Option<Instant>,
}

/// How many milliseconds nothing is read of a client at most because others do not take what it has sent them: those who do notice it
/// as a pause.
const HOLD_MS_MAX: u64 = 10;
/// So many bytes of a message make it a millisecond longer, up to a second.
const HOLD_BYTES_PER_MS: usize = 2 << 10;
/// A few messages from this length on fill an outbox: they wait until others have taken something, and not only until it was sent.
const LONG_BYTES_MIN: usize = 4 << 10;
/// How long shorter ones wait at most.
const SHORT_HOLD_MAX: Duration = Duration::from_ms(50);
/// For how long no message waits before it is brought when one has waited in vain: who reads slowly on purpose does not make everybody
/// wait with each message.
const RESPITE: Duration = Duration::from_ms(500);

fn hold_max(bytes: usize) -> Duration {
    Duration::from_ms(HOLD_MS_MAX + (bytes / HOLD_BYTES_PER_MS).min(1_000) as u64)
}

impl<A: App> Engine<A> {
    /// What is to be waited for before a message of so many bytes is brought: it may be for all, and with what others have said at
    /// the same time too much. Many may wait for the same, so whoever has waited asks again; `since` is when it first had to.
    pub(crate) fn hold_before(&self, bytes: usize, since: &mut Option<Instant>) -> Option<Hold> {
        let inner = &mut *self.inner.borrow_mut();
        if !inner.server.is_crowded(inner.now.instant) {
            return None;
        }
        inner.read_instant();
        let now = inner.now.instant;
        let is_long = bytes >= LONG_BYTES_MIN;
        let is_worth_it = inner.server.is_crowded(now) && (is_long || inner.senders.waiting() > 0);
        if !is_worth_it || inner.respite_until.is_some_and(|until| now < until) {
            return None;
        }
        let end = *since.get_or_insert(now) + if is_long { hold_max(bytes) } else { SHORT_HOLD_MAX };
        if now >= end {
            inner.respite_until = Some(now + RESPITE);
            return None;
        }
        Some(Hold { served: inner.served_when_all_are(), room_until: is_long.then_some(end), end: Some(end) })
    }

    /// What is to be waited for after messages of so many bytes that brought about so much.
    pub(crate) fn hold(&self, pressure: Pressure, bytes: usize) -> Option<Hold> {
        let inner = &*self.inner.borrow();
        let is_crowded = pressure == Pressure::Crowded;
        let hold = Hold {
            served: inner.served_when_all_are(),
            room_until: is_crowded.then(|| inner.now.instant + hold_max(bytes)),
            end: None,
        };
        (pressure > Pressure::None).then_some(hold)
    }

    /// Whether it is to be waited for on.
    pub(crate) fn is_held(&self, hold: &Hold) -> bool {
        let inner = &mut *self.inner.borrow_mut();
        inner.read_instant();
        let now = inner.now.instant;
        let waits = inner.senders.served < hold.served
            || hold.room_until.is_some_and(|until| now < until && inner.server.is_crowded(now));
        waits && hold.end.is_none_or(|end| now < end)
    }
}

impl<A: App> Inner<A> {
    fn served_when_all_are(&self) -> u64 {
        self.senders.served + self.senders.waiting() as u64
    }
}

#[cfg(all(test, unix))]
mod tests {
    use sprat_core::app::Message;

    use super::*;
    use crate::engine::senders::Queue;
    use crate::engine::senders::tests::{Nothing, engine, socket, upgraded};
    use crate::engine::{Caller, TransportId};
    use crate::reactor::{self, Timer};

    /// An engine with a client that has more than half of what may wait for it to read.
    async fn crowded() -> (Engine<Nothing>, TransportId) {
        let engine = engine();
        let transport = upgraded(&engine).await;
        for _ in 0..2 {
            let message = Message::Binary(&[0; 300_000]);
            engine.enter(|_, context| context.send(transport.session(), message)).expect("room");
        }
        (engine, transport)
    }

    #[test]
    fn messages_wait_while_somebody_has_much_to_read() {
        let test = async {
            let (engine, transport) = crowded().await;
            assert!(engine.hold_before(3_000, &mut None).is_none(), "nothing is to be sent");
            let hold = engine.hold_before(300_000, &mut None).expect("a long one");
            assert!(engine.is_held(&hold));
            let _websocket = engine.attach(transport, socket());
            engine.inner.borrow_mut().wake(transport, Caller::Nobody);
            let short = engine.hold_before(3_000, &mut None).expect("something is to be sent");
            assert!(engine.is_held(&short));
            engine.inner.borrow_mut().serve_some(Queue::Listeners);
            assert!(!engine.is_held(&short) && engine.is_held(&hold));
            engine.inner.borrow_mut().take_packets(transport, usize::MAX, |_, _| 0);
            engine.inner.borrow_mut().flushed(transport, Caller::Nobody);
            assert!(!engine.is_held(&hold) && engine.hold_before(300_000, &mut None).is_none());
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn when_one_has_waited_in_vain_no_other_waits_for_a_while() {
        let test = async {
            let (engine, _) = crowded().await;
            let mut since = None;
            let hold = engine.hold_before(LONG_BYTES_MIN, &mut since).expect("a long one");
            while engine.is_held(&hold) {
                Timer::after(core::time::Duration::from_millis(1)).await;
            }
            assert!(engine.hold_before(LONG_BYTES_MIN, &mut since).is_none());
            assert!(engine.hold_before(300_000, &mut None).is_none());
        };
        reactor::block_on(test).expect("a reactor");
    }
}

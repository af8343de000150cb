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
    /// Behind them it is waited, until `end` at most, that those who still read have not much to read.
    is_for_room: bool,
    end: Instant,
    /// It is for a message that is perhaps for all: what a few have to read who read slowly does not matter, and others are waited for
    /// until `end` at most, too.
    is_for_all: bool,
}

/// How many milliseconds nothing is read of a client at most because others do not take what it has sent them: those who do notice it
/// as a pause.
const HOLD_MS_MAX: u64 = 10;
/// So many bytes of a message make it a millisecond longer, up to four seconds: behind the message, which may have been for its own client
/// alone; before it, when many others have much to read; and before it, when they have read well until now.
const BYTES_PER_MS_AFTER: usize = 8 << 10;
const BYTES_PER_MS_BEFORE: usize = 1 << 10;
const BYTES_PER_MS_BEFORE_READERS: usize = 256;
/// A few messages from this length on fill an outbox: they wait until others have taken something, and not only until it was sent.
pub(crate) const LONG_BYTES_MIN: usize = 4 << 10;
/// How long shorter ones wait at most.
const SHORT_HOLD_MAX: Duration = Duration::from_ms(25);

fn hold_max(bytes: usize, bytes_per_ms: usize) -> Duration {
    Duration::from_ms(HOLD_MS_MAX + (bytes / bytes_per_ms).min(4_000) as u64)
}

/// For how long those who had less to read a moment ago are waited for in a row, whoever they are: somebody could have much to read
/// again and again, on purpose.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// When it began to be needed, and when it was needed last.
    needed: Option<(Instant, Instant)>,
}

const PATIENCE: Duration = Duration::from_ms(10_000);
/// When it was not needed for so long, it is there again.
const REST: Duration = Duration::from_ms(30_000);

impl Patience {
    fn lasts(&mut self, now: Instant) -> bool {
        let begun = self.needed.filter(|(_, last)| now < *last + REST).map_or(now, |(begun, _)| begun);
        self.needed = Some((begun, now));
        now < begun + PATIENCE
    }
}

#[cfg(test)]
impl Hold {
    /// One that the test itself ends, or not.
    pub(crate) const fn for_ever() -> Self {
        Self { served: u64::MAX, is_for_room: false, end: Instant::from_ms(u64::MAX), is_for_all: false }
    }
}

impl<A: App> Engine<A> {
    /// What is to be waited for before a message of so many bytes is brought: it may be for all, and with what others have said at
    /// the same time too much. Many may wait for the same, so whoever has waited asks again; `since` is when it first had to.
    pub(crate) fn hold_before(&self, bytes: usize, since: &mut Option<Instant>) -> Option<Hold> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.server.crowded() == 0 {
            return None;
        }
        inner.read_instant();
        let now = inner.now.instant;
        let is_long = bytes >= LONG_BYTES_MIN;
        let is_worth_it = if is_long {
            inner.is_crowded_for_long(now)
        } else {
            inner.is_widely_crowded() && inner.senders.waiting() > 0
        };
        if !is_worth_it {
            return None;
        }
        let longest = if !is_long {
            SHORT_HOLD_MAX
        } else if inner.server.crowded_lately(now) > 0 {
            hold_max(bytes, BYTES_PER_MS_BEFORE_READERS)
        } else {
            hold_max(bytes, BYTES_PER_MS_BEFORE)
        };
        let end = *since.get_or_insert(now) + longest;
        let hold = Hold { served: inner.served_when_all_are(), is_for_room: is_long, end, is_for_all: true };
        (now < end).then_some(hold)
    }

    /// What is to be waited for after messages of so many bytes that brought about so much.
    pub(crate) fn hold(&self, pressure: Pressure, bytes: usize) -> Option<Hold> {
        let inner = &*self.inner.borrow();
        let hold = Hold {
            served: inner.served_when_all_are(),
            is_for_room: pressure == Pressure::Crowded,
            end: inner.now.instant + hold_max(bytes, BYTES_PER_MS_AFTER),
            is_for_all: false,
        };
        (pressure > Pressure::None).then_some(hold)
    }

    /// Whether it is to be waited for on.
    pub(crate) fn is_held(&self, hold: &Hold) -> bool {
        let inner = &mut *self.inner.borrow_mut();
        inner.read_instant();
        let now = inner.now.instant;
        if inner.senders.served < hold.served && !(hold.is_for_all && now >= hold.end) {
            return true;
        }
        let is_for_room = hold.is_for_room && now < hold.end;
        is_for_room && if hold.is_for_all { inner.is_crowded_for_long(now) } else { inner.server.is_crowded(now) }
    }
}

impl<A: App> Inner<A> {
    /// Whether more than a sixteenth of all clients have much to read: what is said then is perhaps for all of them. A few who read slowly
    /// make nobody wait but those who send them something.
    fn is_widely_crowded(&self) -> bool {
        let crowded = self.server.crowded();
        crowded > 1 && 16 * crowded > self.server.sessions() && self.server.is_crowded(self.now.instant)
    }

    /// Whether a long message would be too much for somebody: for as many, or for one who has read well until now.
    fn is_crowded_for_long(&mut self, now: Instant) -> bool {
        (self.server.crowded_lately(now) > 0 && self.patience.lasts(now)) || self.is_widely_crowded()
    }

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

    /// An engine with two clients for whom more than half of what may wait does.
    async fn crowded() -> (Engine<Nothing>, [TransportId; 2]) {
        let engine = engine();
        let both = [upgraded(&engine).await, upgraded(&engine).await];
        for transport in [both, both].concat() {
            let message = Message::Binary(&[0; 300_000]);
            engine.enter(|_, context| context.send(transport.session(), message)).expect("room");
        }
        (engine, both)
    }

    #[test]
    fn messages_wait_while_somebody_has_much_to_read() {
        let test = async {
            let (engine, [transport, other]) = crowded().await;
            assert!(engine.hold_before(3_000, &mut None).is_none(), "nothing is to be sent");
            let hold = engine.hold_before(300_000, &mut None).expect("a long one");
            assert!(engine.is_held(&hold));
            let _websocket = engine.attach(transport, socket());
            engine.inner.borrow_mut().wake(transport, Caller::Nobody);
            let short = engine.hold_before(3_000, &mut None).expect("something is to be sent");
            assert!(engine.is_held(&short));
            engine.inner.borrow_mut().serve_some(Queue::Listeners);
            assert!(!engine.is_held(&short) && engine.is_held(&hold));
            for (transport, is_crowded) in [(transport, true), (other, false)] {
                engine.inner.borrow_mut().take_packets(transport, usize::MAX, |_, _| 0);
                engine.inner.borrow_mut().flushed(transport, Caller::Nobody);
                assert_eq!(engine.is_held(&hold), is_crowded);
                assert_eq!(engine.hold_before(300_000, &mut None).is_some(), is_crowded);
            }
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn a_few_who_read_slowly_make_nobody_wait() {
        let test = async {
            let (engine, [transport, _]) = crowded().await;
            let _websocket = engine.attach(transport, socket());
            engine.inner.borrow_mut().wake(transport, Caller::Nobody);
            for _ in 0..30 {
                assert!(engine.hold_before(3_000, &mut None).is_some());
                upgraded(&engine).await;
            }
            assert!(engine.hold_before(3_000, &mut None).is_none());
            assert!(engine.hold_before(300_000, &mut None).is_some(), "they have read well until now");
            let later = |engine: &Engine<Nothing>, seconds: u64| {
                let inner = &mut *engine.inner.borrow_mut();
                inner.is_crowded_for_long(inner.now.instant + Duration::from_ms(1_000 * seconds))
            };
            assert!(!later(&engine, 2));
        };
        reactor::block_on(test).expect("a reactor");
    }

    #[test]
    fn who_again_and_again_has_much_to_read_is_not_waited_for_for_long() {
        let mut patience = Patience::default();
        let mut lasts = |seconds: u64| patience.lasts(Instant::from_ms(1_000 * seconds));
        assert!((0..10).all(&mut lasts));
        assert!(!(10..100).any(&mut lasts));
        assert!(!lasts(128) && lasts(158), "behind a rest");
        assert!(lasts(160) && !lasts(168));
    }

    #[test]
    fn no_message_waits_for_longer_than_its_length_allows() {
        let test = async {
            let (engine, _) = crowded().await;
            let mut since = None;
            let hold = engine.hold_before(LONG_BYTES_MIN, &mut since).expect("a long one");
            while engine.is_held(&hold) {
                Timer::after(core::time::Duration::from_millis(1)).await;
            }
            assert!(engine.hold_before(LONG_BYTES_MIN, &mut since).is_none());
            assert!(engine.hold_before(300_000, &mut since).is_some());
        };
        reactor::block_on(test).expect("a reactor");
    }
}

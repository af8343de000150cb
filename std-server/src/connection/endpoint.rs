//! What is behind a WebSocket: a session of the engine, or an echo for those who test WebSockets.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use sprat_core::error::PeerError;
use sprat_core::time::Instant;
use sprat_core::{App, CloseReason, Pressure, app};

use crate::connection::outgoing::Outgoing;
use crate::engine::{Hold, Packet, Signals, WebSocketHandle};
use crate::memory::SharedText;
use crate::reactor::Timer;

/// What messages of a WebSocket go to, and where they come from.
pub(super) trait Endpoint {
    /// Brings a message. Returns for how long no more is to be read, and what it brought about for others.
    fn message(&mut self, message: app::Message<'_>) -> (Duration, Pressure);

    /// Hands over the packets to send, until `budget_bytes` are reached. `take` returns the length of each.
    fn take_packets(&mut self, budget_bytes: usize, take: impl FnMut(Packet) -> usize);

    /// Whether there are more packets to send that may have to wait for a CONNECT to be read.
    fn has_more_to_say(&self) -> bool;

    /// Says that all packets that were taken are sent.
    fn flushed(&mut self);

    /// Says that the WebSocket is gone.
    fn lost(&mut self, reason: CloseReason);

    /// Says that it is gone because the system has given up what was sent to it.
    fn untaken(&mut self) {
        self.lost(CloseReason::TransportClose);
    }

    /// Says what its client did wrong, before it is said to be gone.
    fn blame(&mut self, problem: PeerError);

    /// What is wanted of the WebSocket since this was asked last. Whoever asks is woken for the next time.
    fn take_signals(&mut self, cx: &mut Context<'_>) -> Signals;

    /// Lets others send on the WebSocket, or no more. Returns what they took and did not send.
    fn set_free(&self, _is_free: bool) -> Option<Box<Outgoing>> {
        None
    }

    /// Notes that the messages that come next were read just now.
    fn read_wall_clock(&self) {}

    /// Does what remains when all messages that were read are brought, and sends to others what has come of them, if they are few.
    fn end_turn(&self) {}

    /// Whether nothing is to be read before something was sent.
    fn is_full(&self) -> bool {
        false
    }

    /// What is to be waited for before a message of so many bytes is brought, which waits since then.
    fn hold_before(&self, _bytes: usize, _since: &mut Option<Instant>) -> Option<Hold> {
        None
    }

    /// What is to be waited for after messages of so many bytes that brought about so much.
    fn hold(&self, _pressure: Pressure, _bytes: usize) -> Option<Hold> {
        None
    }

    /// Whether it is to be waited for on.
    fn is_held(&self, _hold: &Hold) -> bool {
        false
    }
}

/// A session of the engine.
impl<A: App> Endpoint for WebSocketHandle<A> {
    fn message(&mut self, message: app::Message<'_>) -> (Duration, Pressure) {
        Self::message(self, message)
    }

    fn take_packets(&mut self, budget_bytes: usize, take: impl FnMut(Packet) -> usize) {
        Self::take_packets(self, budget_bytes, take);
    }

    fn has_more_to_say(&self) -> bool {
        Self::has_more_to_say(self)
    }

    fn flushed(&mut self) {
        Self::flushed(self);
    }

    fn lost(&mut self, reason: CloseReason) {
        Self::lost(self, reason);
    }

    fn untaken(&mut self) {
        Self::untaken(self);
    }

    fn blame(&mut self, problem: PeerError) {
        Self::blame(self, problem);
    }

    fn take_signals(&mut self, cx: &mut Context<'_>) -> Signals {
        Self::take_signals(self, cx)
    }

    fn set_free(&self, is_free: bool) -> Option<Box<Outgoing>> {
        Self::set_free(self, is_free)
    }

    fn read_wall_clock(&self) {
        Self::read_wall_clock(self);
    }

    fn end_turn(&self) {
        Self::end_turn(self);
    }

    fn hold_before(&self, bytes: usize, since: &mut Option<Instant>) -> Option<Hold> {
        Self::hold_before(self, bytes, since)
    }

    fn hold(&self, pressure: Pressure, bytes: usize) -> Option<Hold> {
        Self::hold(self, pressure, bytes)
    }

    fn is_held(&self, hold: &Hold) -> bool {
        Self::is_held(self, hold)
    }
}

/// Nothing: a WebSocket that is to be closed at once.
pub(super) struct Refused;

impl Endpoint for Refused {
    fn message(&mut self, _message: app::Message<'_>) -> (Duration, Pressure) {
        (Duration::ZERO, Pressure::None)
    }

    fn take_packets(&mut self, _budget_bytes: usize, _take: impl FnMut(Packet) -> usize) {}

    fn has_more_to_say(&self) -> bool {
        false
    }

    fn flushed(&mut self) {}

    fn lost(&mut self, _reason: CloseReason) {}

    fn blame(&mut self, _problem: PeerError) {}

    fn take_signals(&mut self, _cx: &mut Context<'_>) -> Signals {
        Signals { close: true, wake: false }
    }
}

/// Sends back what it gets.
pub(super) struct Echo<S> {
    /// Ready when the server stops.
    stopping: S,
    /// Each with what it counts.
    waiting: VecDeque<(Packet, usize)>,
    waiting_bytes: usize,
    /// Of them, those that are being sent.
    taken_bytes: usize,
    /// When it is looked whether it is used.
    look: Timer,
    timeout: Duration,
    /// Since that was done last, something was said to it, or what it said was taken.
    is_used: bool,
    signals: Signals,
}

/// With more unread than that nothing more is read of its client.
const UNREAD_BYTES_MAX: usize = 256 << 10;
/// What a message counts beside its bytes.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

impl<S: Fn(&Context<'_>) -> Poll<()>> Echo<S> {
    /// An echo for whoever speaks and reads. The connection ends if nothing is said for `timeout`, or nothing taken of what waits; it
    /// may take twice as long until that is noticed.
    pub(super) fn new(timeout: Duration, stopping: S) -> Self {
        Self {
            stopping,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            taken_bytes: 0,
            look: Timer::after(timeout),
            timeout,
            is_used: false,
            signals: Signals::default(),
        }
    }
}

impl<S: Fn(&Context<'_>) -> Poll<()>> Endpoint for Echo<S> {
    fn message(&mut self, message: app::Message<'_>) -> (Duration, Pressure) {
        let (packet, len) = match message {
            app::Message::Binary(bytes) => (Packet::Binary(Bytes::copy_from_slice(bytes)), bytes.len()),
            app::Message::Text(text) => (Packet::Text(SharedText::new(text.as_bytes())), text.len()),
        };
        let counted = len + MESSAGE_OVERHEAD_BYTES;
        // Who does not read is not given time for saying more.
        self.is_used |= self.waiting_bytes == 0;
        self.waiting.push_back((packet, counted));
        self.waiting_bytes += counted;
        self.signals.wake = true;
        (Duration::ZERO, Pressure::None)
    }

    fn take_packets(&mut self, mut budget_bytes: usize, mut take: impl FnMut(Packet) -> usize) {
        while budget_bytes > 0
            && let Some((packet, counted)) = self.waiting.pop_front()
        {
            self.taken_bytes += counted;
            budget_bytes = budget_bytes.saturating_sub(take(packet));
        }
    }

    fn has_more_to_say(&self) -> bool {
        false
    }

    fn flushed(&mut self) {
        self.waiting_bytes -= core::mem::take(&mut self.taken_bytes);
        self.is_used = true;
    }

    fn is_full(&self) -> bool {
        self.waiting_bytes > UNREAD_BYTES_MAX
    }

    fn lost(&mut self, _reason: CloseReason) {}

    fn blame(&mut self, _problem: PeerError) {}

    fn take_signals(&mut self, cx: &mut Context<'_>) -> Signals {
        if Pin::new(&mut self.look).poll(cx).is_ready() {
            self.signals.close |= !core::mem::take(&mut self.is_used);
            self.look = Timer::after(self.timeout);
            // It begins when it is waited for.
            cx.waker().wake_by_ref();
        }
        self.signals.close |= (self.stopping)(cx).is_ready();
        core::mem::take(&mut self.signals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor;

    /// An echo of a server that does not stop.
    type Idle = Echo<fn(&Context<'_>) -> Poll<()>>;

    const SOON: Duration = Duration::from_millis(1);

    /// Looks so many times whether the echo wants the end, each time after `before`.
    async fn is_closed(looks: usize, echo: &mut Idle, mut before: impl FnMut(&mut Idle)) -> bool {
        for _ in 0..looks {
            before(echo);
            if core::future::poll_fn(|cx| Poll::Ready(echo.take_signals(cx).close)).await {
                return true;
            }
            Timer::after(2 * SOON).await;
        }
        false
    }

    fn say(echo: &mut Idle) {
        echo.message(app::Message::Text("x"));
    }

    fn read(echo: &mut Idle) {
        echo.take_packets(1_000, |_| 1);
        echo.flushed();
    }

    #[test]
    fn an_echo_is_full_until_what_is_too_much_is_read() {
        let mut echo: Idle = Echo::new(SOON, |_| Poll::Pending);
        let long = "x".repeat(UNREAD_BYTES_MAX / 2);
        for is_full in [false, true] {
            echo.message(app::Message::Text(&long));
            assert_eq!(echo.is_full(), is_full);
        }
        read(&mut echo);
        assert!(!echo.is_full());
    }

    #[test]
    fn an_echo_ends_that_nobody_speaks_to_or_reads() {
        let new = || -> Idle { Echo::new(SOON, |_| Poll::Pending) };
        reactor::block_on(async {
            assert!(is_closed(10, &mut new(), |_| {}).await, "nobody speaks");
            assert!(is_closed(10, &mut new(), say).await, "nobody reads");
            let mut used = new();
            assert!(!is_closed(10, &mut used, |echo| _ = (say(echo), read(echo))).await);
            assert!(is_closed(10, &mut used, |_| {}).await, "nobody speaks any more");
        })
        .unwrap();
    }
}

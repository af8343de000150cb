//! What is behind a WebSocket: a session of the engine, or an echo for those who test WebSockets.

use core::task::Context;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use sprat_core::error::PeerError;
use sprat_core::{App, CloseReason, TransportId, app};

use crate::engine::{LineHandle, Packet, Signals};
use crate::memory::SharedText;

/// What messages of a WebSocket go to, and where they come from.
pub(super) trait Endpoint {
    /// Brings a message. Returns for how long no more is to be read.
    fn message(&mut self, message: app::Message<'_>) -> Duration;

    /// Hands over the packets to send, until `budget_bytes` are reached. `take` returns the length of each.
    fn take_packets(&mut self, budget_bytes: usize, take: impl FnMut(Packet) -> usize);

    /// Whether there are more packets to send that may have to wait for a CONNECT to be read.
    fn has_waiting(&self) -> bool;

    /// Says that all packets that were taken are sent.
    fn flushed(&mut self);

    /// Says that the WebSocket is gone.
    fn lost(&mut self, reason: CloseReason);

    /// Says what its client did wrong, before it is said to be gone.
    fn blame(&mut self, problem: PeerError);

    /// What is wanted of the WebSocket since this was asked last. Whoever asks is woken for the next time.
    fn take_signals(&mut self, cx: &Context<'_>) -> Signals;
}

/// A session of the engine.
pub(super) struct Session<A: App> {
    line: LineHandle<A>,
    transport: TransportId,
}

impl<A: App> Session<A> {
    pub(super) fn attach(line: LineHandle<A>, transport: TransportId) -> Self {
        line.attach(transport);
        Self { line, transport }
    }
}

impl<A: App> Endpoint for Session<A> {
    fn message(&mut self, message: app::Message<'_>) -> Duration {
        self.line.message(self.transport, message)
    }

    fn take_packets(&mut self, budget_bytes: usize, mut take: impl FnMut(Packet) -> usize) {
        self.line.take_packets(self.transport, budget_bytes, |packet, _compress| take(packet));
    }

    fn has_waiting(&self) -> bool {
        self.line.has_waiting(self.transport)
    }

    fn flushed(&mut self) {
        self.line.flushed(self.transport);
    }

    fn lost(&mut self, reason: CloseReason) {
        self.line.lost(self.transport, reason);
    }

    fn blame(&mut self, problem: PeerError) {
        self.line.blame(self.transport, problem);
    }

    fn take_signals(&mut self, cx: &Context<'_>) -> Signals {
        self.line.take_signals(cx)
    }
}

/// Nothing: a WebSocket that is to be closed at once.
pub(super) struct Refused;

impl Endpoint for Refused {
    fn message(&mut self, _message: app::Message<'_>) -> Duration {
        Duration::ZERO
    }

    fn take_packets(&mut self, _budget_bytes: usize, _take: impl FnMut(Packet) -> usize) {}

    fn has_waiting(&self) -> bool {
        false
    }

    fn flushed(&mut self) {}

    fn lost(&mut self, _reason: CloseReason) {}

    fn blame(&mut self, _problem: PeerError) {}

    fn take_signals(&mut self, _cx: &Context<'_>) -> Signals {
        Signals { close: true, wake: false }
    }
}

/// Sends back what it gets.
#[derive(Debug)]
pub(super) struct Echo {
    /// Each with what it counts.
    waiting: VecDeque<(Packet, usize)>,
    waiting_bytes: usize,
    /// Of them, those that are being sent.
    taken_bytes: usize,
    waiting_bytes_max: usize,
    signals: Signals,
}

/// What a message counts beside its bytes.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

impl Echo {
    /// An echo for whoever reads it: with more than `waiting_bytes_max` unread, the connection ends.
    pub(super) fn new(waiting_bytes_max: usize) -> Self {
        let (waiting, signals) = (VecDeque::new(), Signals::default());
        Self { waiting, waiting_bytes: 0, taken_bytes: 0, waiting_bytes_max, signals }
    }
}

impl Endpoint for Echo {
    fn message(&mut self, message: app::Message<'_>) -> Duration {
        let (packet, len) = match message {
            app::Message::Binary(bytes) => (Packet::Binary(Bytes::copy_from_slice(bytes)), bytes.len()),
            app::Message::Text(text) => (Packet::Text(SharedText::new(text.as_bytes())), text.len()),
        };
        let counted = len + MESSAGE_OVERHEAD_BYTES;
        self.waiting.push_back((packet, counted));
        self.waiting_bytes += counted;
        self.signals.wake = true;
        self.signals.close |= self.waiting_bytes > self.waiting_bytes_max;
        Duration::ZERO
    }

    fn take_packets(&mut self, mut budget_bytes: usize, mut take: impl FnMut(Packet) -> usize) {
        while budget_bytes > 0
            && let Some((packet, counted)) = self.waiting.pop_front()
        {
            self.taken_bytes += counted;
            budget_bytes = budget_bytes.saturating_sub(take(packet));
        }
    }

    fn has_waiting(&self) -> bool {
        false
    }

    fn flushed(&mut self) {
        self.waiting_bytes -= core::mem::take(&mut self.taken_bytes);
    }

    fn lost(&mut self, _reason: CloseReason) {}

    fn blame(&mut self, _problem: PeerError) {}

    fn take_signals(&mut self, _cx: &Context<'_>) -> Signals {
        core::mem::take(&mut self.signals)
    }
}

//! Heartbeat (Engine.IO protocol, "Heartbeat") and what else happens when time passes.

use crate::engine::outbox::Control;
use crate::engine::session::CloseReason;
use crate::engine::timers::{TimerKind, Timers};
use crate::engine::{Engine, Notice};
use crate::error::PeerError;
use crate::memory::Memory;
use crate::time::{Duration, Instant};

/// Which part of the time for a PONG its PING may be late without giving it more.
const PING_LATENESS_PART: u64 = 16;

impl<M: Memory> Engine<M> {
    /// Does what is due for one session. Returns whether anything was.
    pub(crate) fn expire_one(&mut self) -> bool {
        let Some((index, kind, due)) = self.timers.expire(&mut self.sessions, self.now.instant) else { return false };
        match kind {
            TimerKind::Connect => {
                self.blame(index, PeerError::NoNamespace);
                let reason = self.forced_reason(index);
                self.close_gracefully(index, reason);
            }
            TimerKind::Linger => self.close(index, CloseReason::ForcedClose),
            TimerKind::Noop => self.noop_tick(index),
            TimerKind::Ping => self.ping(index, due),
            TimerKind::Pong => self.close(index, CloseReason::PingTimeout),
            TimerKind::Stalled => self.close(index, CloseReason::Stalled),
            TimerKind::Upgrade => self.drop_probe(index),
        }
        true
    }

    /// The earliest moment at which something becomes due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    /// Starts the wait for the first namespace.
    pub(crate) fn await_connect(&mut self, index: u32) {
        // It may have been closed before anybody was told that it opened.
        if self.sessions[index].is_open() {
            let deadline = self.now.instant + self.limits.connect_timeout;
            self.timers.arm(&mut self.sessions, index, TimerKind::Connect, deadline);
        }
        if self.timers.armed(TimerKind::Connect) > self.limits.unconnected_clients_max
            && let Some(longest) = self.timers.first(TimerKind::Connect)
        {
            self.blame(longest, PeerError::NoNamespace);
            self.close(longest, CloseReason::Stalled);
        }
    }

    /// A namespace was joined in time.
    pub(crate) fn connected(&mut self, index: u32) {
        self.timers.disarm(&mut self.sessions, index, TimerKind::Connect);
    }

    fn ping(&mut self, index: u32, due: Instant) {
        self.sessions[index].pong_prolonged = false;
        // A driver is always a little late. What it is late with the PING is not added to the time for the PONG, so that a
        // silent client is gone when the handshake's figures say; unless it is so much that the client would miss it.
        let timeout = self.limits.ping_timeout;
        let lateness_max = Duration::from_ms(timeout.as_ms() / PING_LATENESS_PART);
        let asked = if self.now.instant.since(due) <= lateness_max { due } else { self.now.instant };
        let deadline = asked + timeout;
        self.timers.arm(&mut self.sessions, index, TimerKind::Pong, deadline);
        self.enqueue_control(index, Control::Ping);
    }

    /// A PONG: the next PING is due a full interval later. One that nobody asked for means nothing.
    pub(crate) fn alive(&mut self, index: u32) {
        if Timers::is_armed(&self.sessions[index], TimerKind::Pong) {
            let deadline = self.now.instant + self.limits.ping_interval;
            self.timers.arm(&mut self.sessions, index, TimerKind::Ping, deadline);
            self.notice = Some(Notice::Heartbeat);
        }
    }

    /// A message shows that the client is alive as well: it restarts the wait for a PONG, once.
    pub(crate) fn prolong(&mut self, index: u32) {
        if Timers::is_armed(&self.sessions[index], TimerKind::Pong) && !self.sessions[index].pong_prolonged {
            self.sessions[index].pong_prolonged = true;
            self.restart_pong_deadline(index);
        }
    }

    /// Gives a client that owes a PONG the full time for it again.
    pub(crate) fn restart_pong_deadline(&mut self, index: u32) {
        if Timers::is_armed(&self.sessions[index], TimerKind::Pong) {
            let deadline = self.now.instant + self.limits.ping_timeout;
            self.timers.arm(&mut self.sessions, index, TimerKind::Pong, deadline);
        }
    }
}

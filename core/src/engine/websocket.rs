//! WebSockets of sessions, and the upgrade from long polling to one (Engine.IO protocol, "Upgrade").

use crate::engine::response::Answer;
use crate::engine::session::{CloseReason, Pending, Poll, PollAnswer};
use crate::engine::state::{self, Carrier, Kind, State};
use crate::engine::timers::TimerKind;
use crate::engine::{Engine, Notice, Received};
use crate::ids::{RequestId, TransportId};
use crate::memory::Memory;
use crate::time::Duration;

/// How often a waiting poll is answered with a NOOP while a WebSocket takes over.
const NOOP_INTERVAL: Duration = Duration::from_ms(100);

impl<M: Memory> Engine<M> {
    /// A WebSocket for a session that is there already: the beginning of an upgrade, unless it cannot be one.
    pub(crate) fn attach_websocket(&mut self, request: RequestId, index: u32, base64: bool) {
        let session = &mut self.sessions[index];
        if session.state != State::Polling {
            return self.answer(request, Answer::UpgradeAndClose);
        }
        session.state = State::Probing;
        // Numbers may be used again after 65,535 failed upgrades of one session, but never 0, which is polling.
        session.last_lane = session.last_lane.checked_add(1).unwrap_or(1);
        session.probe = session.last_lane;
        session.probe_answer_due = false;
        // Over polling, binary is base64 whatever the client wants: from here on only the WebSocket's wish counts.
        session.base64 = base64;
        let lane = session.probe;
        let deadline = self.now.instant + self.limits.upgrade_timeout;
        self.sessions[index].upgrade_deadline = deadline;
        self.timers.arm(&mut self.sessions, index, TimerKind::Upgrade, deadline);
        self.answer(request, Answer::Upgrade { transport: self.transport(index, lane) });
    }

    /// A message on a WebSocket. Returns what is for the layer above.
    pub(crate) fn receive<'a>(&mut self, transport: TransportId, message: Received<'a>) -> Option<(u32, Received<'a>)> {
        let index = self.find_transport(transport)?;
        let carrier =
            if transport.lane == self.sessions[index].websocket { Carrier::WebSocket } else { Carrier::Probe };
        let received = match message {
            Received::Text(text) => self.receive_text(index, carrier, text),
            Received::Binary(_) | Received::Base64(_) => {
                let action = state::action(self.sessions[index].state, carrier, Kind::Message);
                self.act(index, action);
                (action == state::Action::Deliver).then_some(message)
            }
        };
        received.map(|received| (index, received))
    }

    /// A WebSocket is gone, by its client's will or not.
    pub(crate) fn websocket_lost(&mut self, transport: TransportId, reason: CloseReason) {
        let Some(index) = self.find_transport(transport) else { return };
        if self.sessions[index].is_probe(transport.lane) {
            return self.detach_probe(index);
        }
        self.sessions[index].pending.clear(Pending::WAKE);
        self.finish_without_websocket(index, reason);
    }

    pub(crate) fn answer_probe(&mut self, index: u32) {
        let session = &mut self.sessions[index];
        session.probe_answer_due = true;
        // Another probe does not disturb the rhythm in which polls are answered, nor the end of the wait.
        let is_first = core::mem::replace(&mut session.state, State::Probed) == State::Probing;
        self.mark(index, Pending::WAKE_PROBE);
        if is_first {
            self.timers.arm(&mut self.sessions, index, TimerKind::Noop, self.now.instant + NOOP_INTERVAL);
        }
    }

    /// 100 ms have passed during an upgrade.
    pub(crate) fn noop_tick(&mut self, index: u32) {
        if self.now.instant >= self.sessions[index].upgrade_deadline {
            return self.drop_probe(index);
        }
        self.answer_poll_with_noop(index);
        self.timers.arm(&mut self.sessions, index, TimerKind::Noop, self.now.instant + NOOP_INTERVAL);
    }

    /// The WebSocket becomes the transport.
    pub(crate) fn upgrade(&mut self, index: u32) {
        self.answer_poll_with_noop(index);
        // The client sends `5` when its last poll is answered: what that poll took has arrived.
        self.flushed(index);
        self.leave_polling(index);
        let session = &mut self.sessions[index];
        session.websocket = core::mem::take(&mut session.probe);
        session.state = State::WebSocket;
        session.woken = true;
        self.mark(index, Pending::WAKE);
        self.timers.disarm(&mut self.sessions, index, TimerKind::Upgrade);
        self.restart_pong_deadline(index);
        self.notice = Some(Notice::Upgrade);
    }

    /// Closes the probing WebSocket; the session stays on polling.
    pub(crate) fn drop_probe(&mut self, index: u32) {
        self.mark(index, Pending::CLOSE_PROBE);
        self.leave_upgrade(index);
    }

    fn detach_probe(&mut self, index: u32) {
        let session = &mut self.sessions[index];
        session.probe = TransportId::POLLING;
        session.pending.clear(Pending::WAKE_PROBE);
        self.leave_upgrade(index);
    }

    fn leave_upgrade(&mut self, index: u32) {
        let session = &mut self.sessions[index];
        if matches!(session.state, State::Probing | State::Probed) {
            session.state = State::Polling;
        }
        session.probe_answer_due = false;
        self.timers.disarm(&mut self.sessions, index, TimerKind::Upgrade);
    }

    fn answer_poll_with_noop(&mut self, index: u32) {
        if let Some(request) = self.sessions[index].parked_poll() {
            self.sessions[index].poll = Poll::Due(request, PollAnswer::Noop);
            self.mark(index, Pending::default());
        }
    }
}

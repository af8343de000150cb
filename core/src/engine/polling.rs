//! Long polling (Engine.IO protocol, "HTTP long-polling"): one GET waits at a time, one POST is read at a time.

use crate::engine::response::Answer;
use crate::engine::session::{CloseReason, Pending, Poll, PollAnswer};
use crate::engine::state::{self, Action, Carrier, Kind, State};
use crate::engine::{Engine, Received};
use crate::error::PeerError;
use crate::ids::{RequestId, SessionId, TransportId};
use crate::memory::Memory;
use crate::wire::engine::{self as packet, Packet};
use crate::wire::http::{Body, RequestHead};

impl<M: Memory> Engine<M> {
    /// A GET: answered at once if something waits, parked otherwise.
    pub(crate) fn poll(&mut self, request: RequestId, index: u32) {
        if self.sessions[index].poll != Poll::None {
            // Two at once: the client has lost count of its own requests.
            self.answer(request, Answer::Status(400));
            self.blame(index, PeerError::Overlap);
            return self.close(index, CloseReason::TransportError);
        }
        let session = &mut self.sessions[index];
        let is_free = session.sending.is_none();
        if is_free && session.outbox.has_waiting() {
            session.sending = Some(request);
            return self.answer(request, Answer::Packets { transport: self.transport(index, TransportId::POLLING) });
        }
        if is_free && session.state == State::Closing {
            self.answer(request, Answer::Body(PollAnswer::NoopClose.as_body()));
            return self.close(index, self.sessions[index].reason);
        }
        self.sessions[index].poll = Poll::Parked(request);
        self.answer(request, Answer::Park { session: self.id(index) });
    }

    /// The head of a POST: says whether its body is wanted.
    pub(crate) fn post(&mut self, request: RequestId, head: &RequestHead<'_>, index: u32) {
        if self.sessions[index].post.is_some() {
            self.answer(request, Answer::Status(400));
            self.blame(index, PeerError::Overlap);
            return self.close(index, CloseReason::TransportError);
        }
        if head.content_type().is_some_and(|value| value.eq_ignore_ascii_case(b"application/octet-stream")) {
            // Binary travels as base64 since revision 4 of the protocol.
            self.answer(request, Answer::Status(400));
            self.blame(index, PeerError::ContentType);
            return self.close(index, CloseReason::TransportError);
        }
        if let Body::Length(len) = head.body()
            && len > u64::from(self.limits.payload_bytes_max)
        {
            return self.answer(request, Answer::Status(413));
        }
        self.sessions[index].post = Some(request);
        self.answer(request, Answer::ReadBody { session: self.id(index) });
    }

    /// The body of a POST is there. Returns its session if it is still open; the caller feeds it [`Self::receive_text`].
    pub(crate) fn take_post(&mut self, request: RequestId, session: SessionId) -> Option<u32> {
        let index = self.find(session)?;
        if self.sessions[index].post != Some(request) {
            return None;
        }
        self.sessions[index].post = None;
        Some(index)
    }

    /// The body of a POST is longer than a payload may be. The session goes on.
    pub(crate) fn post_too_large(&mut self, request: RequestId, session: SessionId) {
        if let Some(index) = self.find(session)
            && self.sessions[index].post == Some(request)
        {
            self.sessions[index].post = None;
            self.answer(request, Answer::Status(413));
        }
    }

    /// A body that is no text at all.
    pub(crate) fn post_malformed(&mut self, index: u32) {
        self.blame(index, PeerError::Utf8);
        self.close(index, CloseReason::ParseError);
    }

    /// The connection of a GET or a POST is gone before its answer has arrived.
    pub(crate) fn request_lost(&mut self, request: RequestId, session: SessionId) {
        let Some(index) = self.find(session) else { return };
        let session = &mut self.sessions[index];
        match session.poll {
            Poll::Parked(parked) | Poll::Due(parked, _) if parked == request => session.poll = Poll::None,
            Poll::None | Poll::Parked(_) | Poll::Due(..) if session.post == Some(request) => session.post = None,
            Poll::None | Poll::Parked(_) | Poll::Due(..) if session.sending == Some(request) => session.sending = None,
            Poll::None | Poll::Parked(_) | Poll::Due(..) => return,
        }
        self.blame(index, PeerError::RequestLost);
        self.close(index, CloseReason::TransportError);
    }

    /// One packet as text, from the body of a POST or from the WebSocket that is the transport.
    pub(crate) fn receive_text<'a>(&mut self, index: u32, carrier: Carrier, text: &'a str) -> Option<Received<'a>> {
        let (kind, received) = match packet::parse(text) {
            Err(_) => (Kind::Malformed, None),
            Ok(Packet::Binary(data)) => (Kind::Message, Some(Received::Base64(data))),
            Ok(Packet::Close) => (Kind::Close, None),
            Ok(Packet::Message(data)) => (Kind::Message, Some(Received::Text(data))),
            Ok(Packet::Noop) => (Kind::Noop, None),
            Ok(Packet::Open(_)) => (Kind::Open, None),
            Ok(Packet::Ping("probe")) => (Kind::Probe, None),
            Ok(Packet::Ping(_)) => (Kind::Ping, None),
            Ok(Packet::Pong(_)) => (Kind::Pong, None),
            Ok(Packet::Upgrade) => (Kind::Upgrade, None),
        };
        let action = state::action(self.sessions[index].state, carrier, kind);
        self.act(index, action);
        received.filter(|_| action == Action::Deliver)
    }

    /// Does what the table of states says.
    pub(crate) fn act(&mut self, index: u32, action: Action) {
        match action {
            Action::Ignore => {}
            Action::Deliver => self.prolong(index),
            Action::Alive => self.alive(index),
            Action::AnswerProbe => self.answer_probe(index),
            Action::Upgrade => self.upgrade(index),
            Action::DropProbe => self.drop_probe(index),
            Action::Leave => {
                if let Some(request) = self.sessions[index].parked_poll() {
                    self.sessions[index].poll = Poll::Due(request, PollAnswer::Noop);
                    self.mark(index, Pending::default());
                }
                self.close(index, CloseReason::TransportClose);
            }
            Action::ParseError => {
                self.blame(index, PeerError::EnginePacket);
                self.close(index, CloseReason::ParseError);
            }
            // The table has it for PING alone.
            Action::TransportError => {
                self.blame(index, PeerError::Heartbeat);
                self.close(index, CloseReason::TransportError);
            }
        }
    }
}

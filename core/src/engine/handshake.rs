//! Who gets in (Engine.IO protocol, "Handshake"), and what those who do not are told.

use crate::engine::Engine;
use crate::engine::outbox::{Content, Delivery};
use crate::engine::response::{Answer, Refusal};
use crate::engine::session::{Pending, Session};
use crate::engine::state::State;
use crate::engine::timers::TimerKind;
use crate::error::CapacityError;
use crate::frames::{FrameId, Frames};
use crate::ids::{RequestId, Sid, TransportId};
use crate::limits::Transports;
use crate::memory::Memory;
use crate::wire::engine::Open;
use crate::wire::http::{EngineQuery, Query, RequestHead};

/// The transport that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Polling,
    WebSocket,
}

/// What a request wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    asked: Asked,
    upgrade: bool,
    revision_4: bool,
    /// The session it belongs to; none for a handshake.
    pub(crate) session: Option<u32>,
}

/// Writes something piece by piece, by handing each piece to its argument.
pub(crate) type Encode<'a> = dyn FnMut(&mut dyn FnMut(&[u8])) + 'a;

impl<M: Memory> Engine<M> {
    /// Decides about a request on the path of Engine.IO. The order of the checks is the official server's: it shows in
    /// which of several errors a client is told.
    pub(crate) fn request(&mut self, request: RequestId, head: &RequestHead<'_>) {
        if let Err(refusal) = self.route(request, head) {
            self.answer(request, Answer::Refuse(refusal));
        }
        // It was meant for this request alone.
        self.proposed_sid = None;
    }

    pub(crate) fn answer(&mut self, request: RequestId, answer: Answer) {
        debug_assert!(self.immediate.is_none(), "a request is answered once");
        self.immediate = Some((request, answer));
    }

    fn route(&mut self, request: RequestId, head: &RequestHead<'_>) -> Result<(), Refusal> {
        let wish = self.verify(head)?;
        match wish.session {
            None => self.open(request, head, &wish),
            Some(index) => self.resume(request, head, index, &wish),
        }
    }

    /// What a request wants, if it may.
    pub(crate) fn verify(&mut self, head: &RequestHead<'_>) -> Result<Wish, Refusal> {
        let EngineQuery { transport, revision, sid } = head.engine_query();
        let asked = match transport {
            Some(name) if name.is("polling") && self.limits.transports != Transports::WebSocket => Asked::Polling,
            Some(name) if name.is("websocket") && self.limits.transports != Transports::Polling => Asked::WebSocket,
            _ => return Err(Refusal::TransportUnknown),
        };
        let is_control = |byte: &u8| *byte < b' ' && *byte != b'\t' || *byte == 0x7f;
        if head.origin().is_some_and(|origin| origin.iter().any(is_control)) {
            return Err(Refusal::BadRequest);
        }
        let upgrade = head.wants_websocket();
        let revision_4 = revision.is_some_and(|value| value.is("4"));
        let mut wish = Wish { asked, upgrade, revision_4, session: None };
        if let Some(sid) = sid {
            let mut buffer = [0; Sid::LEN];
            let found = sid.decode(&mut buffer).ok().and_then(|sid| self.find_sid(sid.as_bytes()));
            let index = found.ok_or(Refusal::SessionUnknown)?;
            let mismatch = !upgrade && (asked == Asked::Polling) != self.sessions[index].is_polling();
            if mismatch || !revision_4 {
                return Err(Refusal::BadRequest);
            }
            wish.session = Some(index);
        } else if head.method() != "GET" {
            return Err(Refusal::BadMethod);
        } else if asked == Asked::WebSocket && !upgrade {
            return Err(Refusal::BadRequest);
        }
        Ok(wish)
    }

    /// A request without a session: a handshake.
    fn open(&mut self, request: RequestId, head: &RequestHead<'_>, wish: &Wish) -> Result<(), Refusal> {
        let Wish { asked, upgrade, revision_4, .. } = *wish;
        if !revision_4 {
            return Err(Refusal::UnsupportedVersion);
        }
        if asked == Asked::Polling && upgrade {
            self.answer(request, Answer::UpgradeAndClose);
            return Ok(());
        }
        if self.shutting_down {
            return Err(Refusal::TooManyClients);
        }
        let index = self.new_session(asked, wants_base64(head)).ok_or(Refusal::TooManyClients)?;
        if asked == Asked::WebSocket {
            let lane = self.sessions[index].websocket;
            self.answer(request, Answer::Upgrade { transport: self.transport(index, lane) });
        } else {
            self.sessions[index].sending = Some(request);
            self.answer(request, Answer::Packets { transport: self.transport(index, TransportId::POLLING) });
        }
        Ok(())
    }

    fn new_session(&mut self, asked: Asked, base64: bool) -> Option<u32> {
        if asked == Asked::Polling && self.polling >= self.limits.polling_clients_max {
            return None;
        }
        if !self.make_room_for_entries(1) {
            return None;
        }
        let sid = match self.proposed_sid.take() {
            Some(sid) if self.find_sid(sid.as_bytes()).is_none() => sid,
            _ => self.new_sid(),
        };
        let mut session = Session { sid, base64, state: State::Polling, ..Session::default() };
        if asked == Asked::WebSocket {
            session.state = State::WebSocket;
            session.websocket = 1;
            session.last_lane = 1;
            // The driver takes what waits as soon as the WebSocket is there, without being told.
            session.woken = true;
        }
        session.counts_as_polling = asked == Asked::Polling;
        let index = self.sessions.insert(session)?;
        self.polling += u32::from(asked == Asked::Polling);
        self.by_sid.insert(&mut self.sessions, Sid::spread(sid.as_str().as_bytes()), index);
        let now = self.now.instant;
        self.timers.arm(&mut self.sessions, index, TimerKind::Ping, now + self.limits.ping_interval);
        if !self.queue_open(index, asked) {
            self.forget(index);
            self.free(index);
            return None;
        }
        self.mark(index, Pending::OPENED);
        Some(index)
    }

    fn queue_open(&mut self, index: u32, asked: Asked) -> bool {
        let sid = self.sessions[index].sid;
        let open = Open {
            sid: sid.as_str(),
            upgrades: asked == Asked::Polling && self.limits.upgrades && self.limits.transports == Transports::Both,
            ping_interval_ms: self.limits.ping_interval.as_ms(),
            ping_timeout_ms: self.limits.ping_timeout.as_ms(),
            max_payload_bytes: u64::from(self.limits.payload_bytes_max),
        };
        let Ok(frame) = self.insert_encoded(&mut |put| open.encode(put)) else { return false };
        self.enqueue(index, Content::Text(frame), &[], Delivery::default());
        self.frames.release(frame);
        self.sessions[index].outbox.has_waiting()
    }

    /// Stores what `encode` writes. It is called twice, to count and to copy, so that a frame is exactly as long as needed.
    pub(crate) fn insert_encoded(&mut self, encode: &mut Encode<'_>) -> Result<FrameId, CapacityError> {
        self.insert_encoded_with(b"", encode)
    }

    /// As [`Self::insert_encoded`]; `tail`, if it is not empty, stands in place of the last byte.
    pub(crate) fn insert_encoded_with(
        &mut self,
        tail: &[u8],
        encode: &mut Encode<'_>,
    ) -> Result<FrameId, CapacityError> {
        let mut len = tail.len().saturating_sub(1);
        encode(&mut |piece| len += piece.len());
        self.insert_frame(len, &mut |buffer| {
            let mut at = 0;
            encode(&mut |piece| {
                if let Some(place) = buffer.get_mut(at..at + piece.len()) {
                    place.copy_from_slice(piece);
                }
                at += piece.len();
            });
            if !tail.is_empty() {
                at -= 1;
                if let Some(place) = buffer.get_mut(at..at + tail.len()) {
                    place.copy_from_slice(tail);
                }
                at += tail.len();
            }
            at
        })
    }

    /// A request with a known session.
    fn resume(&mut self, request: RequestId, head: &RequestHead<'_>, index: u32, wish: &Wish) -> Result<(), Refusal> {
        if wish.upgrade {
            if wish.asked == Asked::WebSocket {
                self.attach_websocket(request, index, wants_base64(head));
            } else {
                self.answer(request, Answer::UpgradeAndClose);
            }
            return Ok(());
        }
        match head.method() {
            "GET" => self.poll(request, index),
            "POST" => self.post(request, head, index),
            _ => self.answer(request, Answer::Status(500)),
        }
        Ok(())
    }

    /// Takes a session out of the look-up and disarms its deadlines: nobody can reach it any more.
    pub(crate) fn forget(&mut self, index: u32) {
        let sid = self.sessions[index].sid;
        self.by_sid.remove(&mut self.sessions, Sid::spread(sid.as_str().as_bytes()), index);
        self.discard(index);
        self.leave_polling(index);
        self.timers.disarm_all(&mut self.sessions, index);
    }
}

/// Whether a client cannot take binary (`b64` in the query, with any value).
fn wants_base64(head: &RequestHead<'_>) -> bool {
    Query::new(head.query()).value("b64").is_some_and(|value| !value.is_empty())
}

//! What clients send, from bodies and messages to the event that the application gets.

use crate::app::{App, Attachments, Event, Message, Payload, Protocol};
use crate::engine::Received;
use crate::engine::response::Answer;
use crate::engine::session::CloseReason;
use crate::engine::state::Carrier;
use crate::error::PeerError;
use crate::frames::Frames;
use crate::ids::{Reply, RequestId, SessionId, TransportId};
use crate::memory::Memory;
use crate::server::Server;
use crate::socket::SocketState;
use crate::socket::attachments::{Complete, Progress};
use crate::wire::payload;
use crate::wire::socket::{Body, Packet};

impl<A: App, M: Memory> Server<A, M> {
    pub(super) fn body(&mut self, request: RequestId, session: SessionId, body: &[u8]) {
        if let Some(index) = self.sockets.engine.take_post(request, session) {
            self.sockets.engine.answer(request, Answer::Ok);
            self.packets(index, body);
        }
    }

    /// A POST is answered when its last part has come, or when its session has ended before.
    pub(super) fn body_part(&mut self, request: RequestId, session: SessionId, body: &[u8]) {
        let Some(index) = self.sockets.engine.take_post(request, session) else { return };
        self.packets(index, body);
        if self.sockets.engine.sessions[index].is_open() {
            self.sockets.engine.sessions[index].post = Some(request);
        } else {
            self.sockets.engine.answer(request, Answer::Ok);
        }
    }

    /// The packets of a body, as far as the session lasts.
    fn packets(&mut self, index: u32, body: &[u8]) {
        self.sockets.engine.heard = index;
        let Ok(text) = core::str::from_utf8(body) else { return self.sockets.engine.post_malformed(index) };
        for packet in payload::packets(text) {
            match self.sockets.engine.receive_text(index, Carrier::Post, packet) {
                Some(received) => self.deliver(index, received),
                None => self.tell_notice(index),
            }
            if !self.sockets.engine.sessions[index].is_open() {
                return;
            }
        }
    }

    pub(super) fn message(&mut self, transport: TransportId, message: Message<'_>) {
        self.sockets.engine.heard = transport.session.index;
        let received = match message {
            Message::Binary(bytes) => Received::Binary(bytes),
            Message::Text(text) => Received::Text(text),
        };
        match self.sockets.engine.receive(transport, received) {
            Some((index, received)) => self.deliver(index, received),
            None => self.tell_notice(transport.session.index),
        }
    }

    /// Hands a message to the layer above the engine.
    fn deliver(&mut self, index: u32, received: Received<'_>) {
        match (self.app.protocol(), received) {
            (Protocol::EngineIo, _) => self.deliver_plain(index, received),
            #[cfg(feature = "msgpack")]
            (Protocol::SocketIo, _) if self.limits().parser == crate::limits::Parser::Msgpack => {
                self.msgpack(index, received)
            }
            (Protocol::SocketIo, Received::Text(text)) => self.packet(index, text),
            (Protocol::SocketIo, Received::Base64(_) | Received::Binary(_)) => self.attachment(index, received),
        }
    }

    // What it holds is on the stack; not to be inlined into what does not need it.
    #[inline(never)]
    fn deliver_plain(&mut self, index: u32, received: Received<'_>) {
        let session = self.sockets.engine.id(index);
        let message = match received {
            Received::Binary(bytes) => Message::Binary(bytes),
            Received::Text(text) => Message::Text(text),
            Received::Base64(_) => {
                let Ok(frame) = self.sockets.insert_received(received) else {
                    return self.sockets.engine.close(index, CloseReason::OutboxFull);
                };
                let held = self.sockets.engine.frames.hold(frame);
                self.sockets.engine.frames.release(frame);
                match &held {
                    Some(held) => {
                        self.app.on_message(&mut self.sockets, session, Message::Binary(held.as_ref()));
                    }
                    None => self.sockets.engine.close(index, CloseReason::OutboxFull),
                }
                return;
            }
        };
        self.app.on_message(&mut self.sockets, session, message);
    }

    /// The text of a Socket.IO packet.
    fn packet(&mut self, index: u32, text: &str) {
        let limits = self.sockets.packet_limits();
        let packet = match Packet::parse(text, &limits) {
            Ok(packet) if !self.sockets.is_assembling(index) => packet,
            Ok(_) => return self.malformed(index, PeerError::Attachments),
            Err(problem) => return self.malformed(index, problem),
        };
        let attachments = match packet.body {
            Body::Event { attachments, .. } | Body::Ack { attachments, .. } => attachments,
            Body::Connect { .. } | Body::ConnectError { .. } | Body::Disconnect => 0,
        };
        if attachments == 0 {
            self.dispatch(index, packet, Attachments::None);
        } else if self.sockets.begin_assembly(index, text, attachments).is_err() {
            self.sockets.engine.close(index, CloseReason::OutboxFull);
        }
    }

    /// A binary message: an attachment of the packet before it.
    #[inline(never)]
    fn attachment(&mut self, index: u32, received: Received<'_>) {
        match self.sockets.continue_assembly(index, received) {
            Progress::Complete(complete) => self.complete(index, complete),
            Progress::Incomplete => {}
            Progress::Malformed => self.malformed(index, PeerError::Attachments),
        }
    }

    /// What the layer above the engine cannot read ends the session.
    pub(super) fn malformed(&mut self, index: u32, problem: PeerError) {
        self.sockets.engine.blame(index, problem);
        self.sockets.engine.close_gracefully(index, CloseReason::ForcedClose);
    }

    /// A packet with all its attachments.
    #[inline(never)]
    pub(super) fn complete(&mut self, index: u32, complete: Complete) {
        let attachments = match &*complete.attachments {
            [] => Attachments::None,
            held => Attachments::Held(held),
        };
        let limits = self.sockets.packet_limits();
        match &self.sockets.engine.frames.hold(complete.header) {
            None => self.sockets.engine.close(index, CloseReason::OutboxFull),
            Some(held) => {
                let text = core::str::from_utf8(held.as_ref()).unwrap_or_default();
                match Packet::parse(text, &limits) {
                    Ok(packet) => self.dispatch(index, packet, attachments),
                    Err(problem) => self.malformed(index, problem),
                }
            }
        }
        self.sockets.release_complete(complete);
    }

    fn dispatch(&mut self, index: u32, packet: Packet<'_>, attachments: Attachments<'_>) {
        let socket = self.sockets.on_session(index, packet.namespace);
        match (packet.body, socket) {
            (Body::Connect { auth }, None) => self.connect(index, packet.namespace, auth),
            // Who is not in yet has nothing to say.
            (_, Some(socket)) if self.sockets.table[socket].state == SocketState::Pending => {
                self.sockets.reject_packet(index);
            }
            (Body::Disconnect, Some(socket)) => {
                if self.sockets.table[socket].is_connected() {
                    self.depart(socket, CloseReason::ClientNamespaceDisconnect);
                }
            }
            (Body::Event { id, name, args, .. }, Some(socket)) => {
                let id_of_socket = self.sockets.id(socket);
                let reply = id.map(|id| Reply { socket: id_of_socket, id });
                let event = Event { name, payload: Payload { json: args, attachments }, reply };
                // Otherwise it was on its way when the application made the socket leave.
                if self.sockets.table[socket].is_connected() {
                    self.app.on_event(&mut self.sockets, id_of_socket, event);
                }
            }
            (Body::Ack { id, args, .. }, Some(socket)) => {
                let owed = id.and_then(|id| self.sockets.take_ack(socket, id));
                if let Some(ack) = owed {
                    let id = self.sockets.id(socket);
                    self.app.on_ack(&mut self.sockets, id, ack, &Payload { json: args, attachments });
                }
            }
            (Body::Connect { .. } | Body::ConnectError { .. }, Some(_))
            | (Body::Ack { .. } | Body::ConnectError { .. } | Body::Disconnect | Body::Event { .. }, None) => {
                self.sockets.reject_packet(index);
            }
        }
    }
}

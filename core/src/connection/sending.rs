//! Bytes out. They are made piece by piece, straight into the room that the driver has: a packet for many is in memory once,
//! and a body or a head nowhere as a whole.

use crate::app::App;
use crate::connection::{Connection, Stage, pages};
use crate::engine::outbox::OutgoingPacket;
use crate::engine::response::Response;
use crate::frames::Frames;
use crate::lines::Lines;
use crate::memory::Memory;
use crate::time::{Now, UnixTime};
use crate::wire::base64;
use crate::wire::payload;
use crate::wire::websocket::{Opcode, encode_header};

/// What is being sent. It can be made again from its beginning until all of it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// A close frame of our own.
    Close {
        code: Option<u16>,
    },
    /// 100 (RFC 9110, section 15.2.1).
    Continue,
    /// A control frame with the payload of the one that came last.
    Control {
        opcode: Opcode,
    },
    /// A packet on a WebSocket.
    Frame {
        packet: OutgoingPacket,
    },
    /// The head of an answer, with a body that is always the same or comes in packets.
    Head {
        response: Response,
        body_len: usize,
        keep_alive: bool,
        is_head: bool,
        wall: Option<UnixTime>,
    },
    Nothing,
    /// A packet in the body of an answer.
    Packet {
        packet: OutgoingPacket,
        is_first: bool,
    },
    Page {
        answer: pages::Answer,
        keep_alive: bool,
        wall: Option<UnixTime>,
    },
    /// The handshake of a WebSocket; to be closed at once, perhaps.
    Upgrade {
        accept_key: [u8; 28],
        close: bool,
    },
}

impl Connection<'_> {
    /// Writes what is to be sent next into `room`. Returns how much.
    pub fn write<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now, room: &mut [u8]) -> usize {
        if let Stage::WebSocket { transport } | Stage::Packets { transport, .. } = self.stage
            && !lines.server().is_attached(transport)
        {
            // The next step ends it.
            return 0;
        }
        let (mut total, mut len) = (0, 0);
        let sent = self.sent;
        let payload = self.reader.as_ref().map_or(&[][..], |reader| reader.control_payload());
        self.sending.pieces(lines.server().frames(), payload, &mut |piece| {
            let unsent = piece.get(sent.saturating_sub(total).min(piece.len())..).unwrap_or_default();
            total += piece.len();
            let spare = room.get_mut(len..).unwrap_or_default();
            let copied = unsent.len().min(spare.len());
            if let (Some(to), Some(from)) = (spare.get_mut(..copied), unsent.get(..copied)) {
                to.copy_from_slice(from);
            }
            len += copied;
        });
        self.sent += len;
        if len > 0 {
            self.began = now.instant;
        }
        if self.sent >= total {
            self.sending = Sending::Nothing;
            if let Stage::WebSocket { transport } = self.stage {
                // The driver has a copy. Only who takes nothing at all is to count as stalled.
                lines.flushed(now, self.line, transport);
            }
        }
        len
    }
}

impl Sending {
    /// Hands over all pieces, in order, and the same ones each time.
    fn pieces<F: Frames>(&self, frames: &F, control_payload: &[u8], put: &mut dyn FnMut(&[u8])) {
        match *self {
            Self::Close { code } => close_frame(code, put),
            Self::Continue => put(b"HTTP/1.1 100 Continue\r\n\r\n"),
            Self::Control { opcode } => {
                put(encode_header(opcode, true, control_payload.len() as u64, &mut [0; 10]));
                put(control_payload);
            }
            Self::Frame { packet } => websocket_frame(frames, packet, put),
            Self::Head { response, body_len, keep_alive, is_head, wall } => {
                let mut date = [0; DATE_FIELD_LEN];
                response.encode_head(body_len, keep_alive, &[date_field(wall, &mut date)], put);
                put(if is_head { b"" } else { response.body.as_bytes() });
            }
            Self::Nothing => {}
            Self::Packet { packet, is_first } => {
                put(if is_first { &[] } else { &[payload::SEPARATOR] });
                body_packet(frames, packet, put);
            }
            Self::Page { answer, keep_alive, wall } => {
                let mut date = [0; DATE_FIELD_LEN];
                answer.pieces(keep_alive, date_field(wall, &mut date), put);
            }
            Self::Upgrade { accept_key, close } => {
                put(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
                put(&accept_key);
                put(b"\r\n\r\n");
                if close {
                    close_frame(None, put);
                }
            }
        }
    }
}

fn close_frame(code: Option<u16>, put: &mut dyn FnMut(&[u8])) {
    let code = code.map(u16::to_be_bytes);
    let payload = code.as_ref().map_or(&[][..], |code| code);
    put(encode_header(Opcode::Close, true, payload.len() as u64, &mut [0; 10]));
    put(payload);
}

/// A packet as it stands in the body of a poll.
fn body_packet<F: Frames>(frames: &F, packet: OutgoingPacket, put: &mut dyn FnMut(&[u8])) {
    match packet {
        OutgoingPacket::Text(frame) => put(frames.bytes(frame)),
        OutgoingPacket::Static(text) => put(text.as_bytes()),
        OutgoingPacket::Binary(frame) | OutgoingPacket::BinaryAsText(frame) => {
            put(b"b");
            base64::encode(frames.bytes(frame), put);
        }
    }
}

fn websocket_frame<F: Frames>(frames: &F, packet: OutgoingPacket, put: &mut dyn FnMut(&[u8])) {
    let mut header = [0; 10];
    match packet {
        OutgoingPacket::Binary(frame) => {
            let bytes = frames.bytes(frame);
            put(encode_header(Opcode::Binary, true, bytes.len() as u64, &mut header));
            put(bytes);
        }
        OutgoingPacket::BinaryAsText(frame) => {
            let len = payload::binary_len(frames.bytes(frame).len());
            put(encode_header(Opcode::Text, true, len as u64, &mut header));
            body_packet(frames, packet, put);
        }
        OutgoingPacket::Static(text) => {
            put(encode_header(Opcode::Text, true, text.len() as u64, &mut header));
            put(text.as_bytes());
        }
        OutgoingPacket::Text(frame) => {
            let bytes = frames.bytes(frame);
            put(encode_header(Opcode::Text, true, bytes.len() as u64, &mut header));
            put(bytes);
        }
    }
}

/// Line end, name and value.
const DATE_FIELD_LEN: usize = 37;

/// The `Date` field of an answer, its line end in front; nothing while the time of day is not known (RFC 9110, section 6.6.1).
fn date_field(wall: Option<UnixTime>, field: &mut [u8; DATE_FIELD_LEN]) -> &[u8] {
    const NAME: &[u8; 8] = b"\r\nDate: ";
    let Some(wall) = wall else { return &[] };
    let (name, value) = field.split_at_mut(NAME.len());
    name.copy_from_slice(NAME);
    value.copy_from_slice(&wall.http_date());
    field
}

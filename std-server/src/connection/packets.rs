//! The answer to a poll: all packets that wait, written from where they lie.
//!
//! A copy would count for nobody's outbox, and thousands of clients that get one broadcast would have one each. Only what is
//! short is put together first, so that it leaves in one piece, and what is compressed.

use core::cell::Cell;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::rc::Rc;

use sprat_core::ids::Sid;
use sprat_core::wire::{base64, payload};
use sprat_core::{Answer, App, RequestId, TransportId};

use crate::connection::http::{Connection, Next, send};
use crate::connection::request::Request;
use crate::connection::stream::Stream;
use crate::connection::{COMPRESSED_BYTES_MAX, WRITE_STEP_BYTES, compression};
use crate::engine::Packet;
use crate::reactor::Timer;

/// CLOSE (Engine.IO protocol, "Packet encoding").
const CLOSE_PACKET: &[u8] = b"1";
/// How often it is looked whether the session that a long answer is from is still there.
const SESSION_LOOK: Duration = Duration::from_secs(1);
/// Bytes that become base64 at once: whole groups of three, so that what follows can stand behind them.
const BASE64_STEP_BYTES: usize = WRITE_STEP_BYTES / 4 * 3;

impl<A: App> Connection<A> {
    /// Answers a poll with all packets that wait.
    pub(super) async fn answer_packets(
        &mut self,
        id: RequestId,
        transport: TransportId,
        answer: Answer,
        request: &mut Request,
    ) -> io::Result<Next> {
        // As the official server does it, one packet that may be compressed is enough.
        let (mut packets, mut len, mut may_compress) = (Vec::new(), 0, false);
        self.line.take_packets(transport, usize::MAX, |packet, compress| {
            may_compress |= compress;
            let packet_len = payload_len(&packet);
            len += packet_len + usize::from(!packets.is_empty());
            packets.push(packet);
            packet_len
        });
        let Some(response) = answer.response(false) else { return Ok(Next::Drop) };
        if let (true, Some(cookie)) = (request.is_initial, &self.site.cookie) {
            request.fields.success.push_str(&cookie.field(sid_in(&packets)));
        }
        let site = Rc::clone(&self.site);
        let coding = request.coding.filter(|_| may_compress && len >= site.compressed_bytes_min);
        let sent = if let Some(coding) = coding
            && let Some(_held) = site.compressed.take(len)
        {
            let body = Box::pin(compression::compress(joined(&packets, len), coding)).await;
            drop(packets);
            request.fields.success.push_str(coding.field());
            match body {
                Ok(body) => self.respond(&response, &body, request).await,
                Err(problem) => Err(problem),
            }
        } else if packets.is_empty() {
            // The session ended after the answer was decided, and what waited went with it.
            self.respond(&response, CLOSE_PACKET, request).await
        } else if len <= WRITE_STEP_BYTES {
            self.respond(&response, &joined(&packets, len), request).await
        } else {
            let keep_alive = request.is_kept_alive(&response);
            let head = request.fields.head(&site.date, &response, len, keep_alive, 0);
            match Box::pin(self.write_packets(head, packets, transport)).await {
                Ok(()) => self.end_of_response(keep_alive, request).await,
                Err(problem) => Err(problem),
            }
        };
        match sent {
            Ok(_) => self.line.flushed(transport),
            Err(_) => self.line.request_lost(id, transport.session()),
        }
        sent
    }

    /// Writes packets behind the head of their answer, as long as their session is there: what it may no longer keep is not
    /// kept here either.
    async fn write_packets(&mut self, head: Vec<u8>, packets: Vec<Packet>, transport: TransportId) -> io::Result<()> {
        let Self { incoming, line, site, client, .. } = self;
        let written = async {
            let mut step = head;
            for (at, packet) in packets.iter().enumerate() {
                if at > 0 {
                    step.push(payload::SEPARATOR);
                }
                let bytes = packet.payload();
                if let Packet::Text(_) = packet {
                    for piece in bytes.chunks(WRITE_STEP_BYTES) {
                        step.extend_from_slice(piece);
                        send_step(&mut incoming.stream, &mut step, site.limits.unread_timeout, *client).await?;
                    }
                } else {
                    step.push(b'b');
                    for piece in bytes.chunks(BASE64_STEP_BYTES) {
                        base64::encode(piece, &mut |text| step.extend_from_slice(text));
                        send_step(&mut incoming.stream, &mut step, site.limits.unread_timeout, *client).await?;
                    }
                }
            }
            send(&mut incoming.stream, &step, site.limits.unread_timeout, *client).await
        };
        let ended = async {
            while line.has_session(transport.session()) {
                Timer::after(SESSION_LOOK).await;
            }
            Err(io::ErrorKind::ConnectionAborted.into())
        };
        smol::future::or(written, ended).await
    }
}

/// Sends what has been put together, if it is enough.
async fn send_step(stream: &mut Stream, step: &mut Vec<u8>, timeout: Duration, client: SocketAddr) -> io::Result<()> {
    if step.len() >= WRITE_STEP_BYTES {
        send(stream, step, timeout, client).await?;
        step.clear();
    }
    Ok(())
}

/// The body of an answer in one piece.
fn joined(packets: &[Packet], len: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(len);
    for packet in packets {
        push(&mut body, packet);
    }
    body
}

/// Adds a packet to the body of an answer.
pub(crate) fn push(body: &mut Vec<u8>, packet: &Packet) {
    if !body.is_empty() {
        body.push(payload::SEPARATOR);
    }
    match packet {
        Packet::Text(text) => body.extend_from_slice(text.as_slice()),
        Packet::Binary(bytes) | Packet::BinaryAsText(bytes) => {
            body.push(b'b');
            base64::encode(bytes, &mut |piece| body.extend_from_slice(piece));
        }
    }
}

/// How long a packet is in the body of an answer.
fn payload_len(packet: &Packet) -> usize {
    match packet {
        Packet::Binary(bytes) | Packet::BinaryAsText(bytes) => 1 + base64::encoded_len(bytes.len()),
        Packet::Text(text) => text.as_slice().len(),
    }
}

/// The id of the session whose OPEN packet is the first.
fn sid_in(packets: &[Packet]) -> &str {
    let Some(Packet::Text(open)) = packets.first() else { return "" };
    let sid = open.as_slice().strip_prefix(b"0{\"sid\":\"").and_then(|rest| rest.get(..Sid::LEN));
    sid.and_then(|sid| core::str::from_utf8(sid).ok()).unwrap_or_default()
}

/// The bytes of all answers that are being compressed, or are compressed and not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Compressed(Cell<usize>);

impl Compressed {
    /// Counts an answer as long as what is returned lives; `None` if all together would be too much. Then it is sent as it is.
    fn take(&self, len: usize) -> Option<Held<'_>> {
        let sum = self.0.get() + len;
        (sum <= COMPRESSED_BYTES_MAX).then(|| {
            self.0.set(sum);
            Held { all: self, len }
        })
    }
}

#[derive(Debug)]
struct Held<'a> {
    all: &'a Compressed,
    len: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.0.set(self.all.0.get() - self.len);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::memory::SharedText;

    #[test]
    fn a_body_is_as_long_as_was_said_of_its_packets() {
        let binary = |len| Packet::Binary(Bytes::from(vec![7; len]));
        for packets in [
            vec![Packet::Text(SharedText::new(b"40"))],
            vec![binary(0), binary(1), Packet::Text(SharedText::new(b"42[1]")), binary(3), binary(65_536)],
        ] {
            let len = packets.iter().map(payload_len).sum::<usize>() + packets.len() - 1;
            assert_eq!(joined(&packets, len).len(), len);
        }
        assert_eq!(joined(&[binary(3), Packet::Text(SharedText::new(b"2"))], 7), b"bBwcH\x1e2");
    }

    #[test]
    fn so_much_is_compressed_at_once_and_no_more() {
        let all = Compressed::default();
        let first = all.take(COMPRESSED_BYTES_MAX - 10);
        assert!(first.is_some() && all.take(11).is_none() && all.take(10).is_some());
        drop(first);
        assert!(all.take(COMPRESSED_BYTES_MAX).is_some());
    }
}

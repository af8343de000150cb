//! A connection that became a WebSocket: messages in, packets out, until one side ends it.

use core::task::Poll;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Timer};
use sprat_core::app::Message;
use sprat_core::error::PeerError;
use sprat_core::wire::message::{Incoming, MessageReader};
use sprat_core::wire::websocket::{Opcode, encode_header};
use sprat_core::{CloseReason, Response, TransportId};

use crate::connection::{Connection, End};
use crate::limits::PAYLOAD_BYTES;
use crate::output::{self, Lost};
use crate::site::Site;

/// How often it is looked whether a message that is held back may be read.
pub(crate) const HOLD: Duration = Duration::from_millis(2);

/// How the traffic of a WebSocket ended (close codes: RFC 6455, section 7.4.1).
enum Ended {
    ByPeer,
    ByServer,
    /// The peer broke the protocol, which this code tells it.
    Wrong(u16),
    /// It failed, or what was being sent could not be sent to its end.
    Torn(Lost),
}

impl From<Lost> for Ended {
    fn from(lost: Lost) -> Self {
        Self::Torn(lost)
    }
}

/// Completes the handshake of a WebSocket (RFC 6455, section 4.2.2) and serves it to its end; without a transport it is closed
/// at once.
pub(crate) async fn run(connection: &mut Connection<'_>, transport: Option<TransportId>) -> End {
    let accept_key = connection.accept_key;
    let date = connection.site.date_field();
    let answered = connection
        .write(&|put| {
            match accept_key {
                None => Response { status: 400, content_type: None, body: "", close: true }.encode_head(0, false, &date, put),
                Some(key) => {
                    put(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
                    put(&key);
                    put(b"\r\n\r\n");
                }
            }
            true
        })
        .await;
    let Connection { socket, site, line, buffer, filled, .. } = connection;
    let reader = MessageReader::new(&mut buffer[..], *filled, PAYLOAD_BYTES);
    let mut websocket = WebSocket { socket, site, line: *line, reader };
    let ended = match (answered, transport) {
        (Err(lost), _) => Ended::Torn(lost),
        (Ok(()), _) if accept_key.is_none() => Ended::Torn(Lost::Failed),
        (Ok(()), Some(transport)) => websocket.serve(transport).await.err().unwrap_or(Ended::ByServer),
        (Ok(()), None) => Ended::ByServer,
    };
    let reason = match ended {
        Ended::ByPeer => Some(CloseReason::TransportClose),
        Ended::ByServer | Ended::Torn(Lost::Closed) => None,
        Ended::Torn(Lost::Failed) | Ended::Wrong(_) => Some(CloseReason::TransportError),
    };
    if let (Some(transport), Some(reason)) = (transport, reason) {
        site.lines().lost(site.now(), *line, transport, reason);
    }
    match ended {
        Ended::Torn(_) if accept_key.is_some() => End::Drop,
        Ended::Torn(_) | Ended::ByPeer => End::Linger,
        Ended::ByServer => websocket.goodbye(&[]).await,
        Ended::Wrong(code) => websocket.goodbye(&code.to_be_bytes()).await,
    }
}

struct WebSocket<'c, 'b> {
    socket: &'c mut TcpSocket<'b>,
    site: &'static Site,
    line: u32,
    reader: MessageReader<'c>,
}

impl WebSocket<'_, '_> {
    async fn serve(&mut self, transport: TransportId) -> Result<(), Ended> {
        let (site, line) = (self.site, self.line);
        loop {
            let signals = core::future::poll_fn(|cx| Poll::Ready(site.lines().take_signals(line, cx))).await;
            if signals.wake {
                self.send(transport).await?;
            }
            if signals.close {
                return Ok(());
            }
            let signaled = core::future::poll_fn(|cx| site.lines().poll_signaled(line, cx));
            if !site.admits() {
                select(signaled, Timer::after(HOLD)).await;
                continue;
            }
            if self.receive(transport).await? {
                // The others get their turn between two messages, too.
                yield_now().await;
                continue;
            }
            match select(signaled, self.socket.read(self.reader.spare())).await {
                Either::First(()) => {}
                Either::Second(Ok(0)) => return Err(Ended::ByPeer),
                Either::Second(Ok(len)) => self.reader.advance(len),
                Either::Second(Err(_)) => return Err(Lost::Failed.into()),
            }
        }
    }

    /// Deals with one thing that the client sent. False if nothing is complete.
    async fn receive(&mut self, transport: TransportId) -> Result<bool, Ended> {
        let incoming = match self.reader.next() {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return Ok(false),
            Err(PeerError::Utf8) => return Err(Ended::Wrong(1007)),
            Err(PeerError::TooLarge) => return Err(Ended::Wrong(1009)),
            Err(_) => return Err(Ended::Wrong(1002)),
        };
        let message = match incoming {
            Incoming::Binary(bytes) => Message::Binary(bytes),
            Incoming::Text(text) => Message::Text(text),
            Incoming::Close(payload) => {
                control(self.socket, self.site, self.line, Opcode::Close, payload).await?;
                return Err(Ended::ByPeer);
            }
            Incoming::Ping(payload) => {
                control(self.socket, self.site, self.line, Opcode::Pong, payload).await?;
                return Ok(true);
            }
            Incoming::Pong => return Ok(true),
        };
        self.site.lines().message(self.site.now(), self.line, transport, message);
        self.site.admit();
        Ok(true)
    }

    /// Sends all that waits.
    async fn send(&mut self, transport: TransportId) -> Result<(), Lost> {
        let site = self.site;
        loop {
            let next = site.lines().next(transport, usize::MAX);
            let Some(outgoing) = next else { return Ok(()) };
            output::write(self.socket, site, self.line, &|put| {
                let lines = site.lines();
                output::frame(&lines, outgoing.packet, put);
                lines.server().is_attached(transport)
            })
            .await?;
            // TCP has a copy. Only who takes nothing at all is to count as stalled.
            site.lines().flushed(site.now(), self.line, transport);
        }
    }

    /// Says that this is the end, and why.
    async fn goodbye(&mut self, code: &[u8]) -> End {
        match control(self.socket, self.site, self.line, Opcode::Close, code).await {
            Ok(()) => End::Linger,
            Err(_) => End::Drop,
        }
    }
}

/// Sends a control frame.
async fn control(
    socket: &mut TcpSocket<'_>,
    site: &Site,
    line: u32,
    opcode: Opcode,
    payload: &[u8],
) -> Result<(), Lost> {
    let mut header = [0; 10];
    let header = encode_header(opcode, true, payload.len() as u64, &mut header);
    output::write(socket, site, line, &|put| {
        put(header);
        put(payload);
        true
    })
    .await
}

//! A WebSocket: one task that reads messages, brings them to the engine, and sends all that waits in one go.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use async_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error, Message};
use bytes::Bytes;
use futures_sink::Sink as _;
use smol::stream::Stream as _;
use sprat_core::wire::base64;
use sprat_core::{App, CloseReason, TransportId, app};

use crate::connection::http::Upgraded;
use crate::connection::stream::Stream;
use crate::connection::{LINGER_TIMEOUT, within};
use crate::engine::{LineHandle, Packet};

/// Bytes read at once. It is what an idle connection keeps, so it is small; a longer message gets the room it needs.
const READ_BUFFER_BYTES: usize = 1_024;
/// Bytes given to the socket before they are sent: what waits for a client leaves in few writes.
const WRITE_BATCH_BYTES: usize = 64 << 10;
/// Messages read before the other connections get their turn.
const READ_BATCH_MESSAGES: usize = 32;

/// Serves a WebSocket to its end.
pub(crate) async fn run<A: App>(upgraded: Upgraded<A>) {
    let Upgraded { stream, received, line, transport } = upgraded;
    let payload_bytes_max = line.engine().payload_bytes_max();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BATCH_BYTES)
        // What is handed out at once is bounded by the batch, or is a single packet of whatever size.
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(payload_bytes_max))
        .max_frame_size(Some(payload_bytes_max));
    let socket = WebSocketStream::from_partially_read(stream, received, Role::Server, Some(config)).await;
    let Some(transport) = transport else {
        return close(socket, None).await;
    };
    line.attach(transport);
    let mut link = Link { socket, line, transport, in_flight: false };
    let end = core::future::poll_fn(|cx| link.poll(cx)).await;
    let Link { socket, line, .. } = link;
    match end {
        End::ByServer => {}
        End::ByPeer => line.lost(transport, CloseReason::TransportClose),
        End::Failed(_) => line.lost(transport, CloseReason::TransportError),
    }
    match end {
        End::ByServer | End::ByPeer => close(socket, None).await,
        End::Failed(None) => {}
        End::Failed(Some(code)) => close(socket, Some(code)).await,
    }
}

/// How a WebSocket came to its end.
enum End {
    ByPeer,
    ByServer,
    /// The peer broke the protocol, which a close code tells it, or the connection failed.
    Failed(Option<CloseCode>),
}

struct Link<A: App> {
    socket: WebSocketStream<Stream>,
    line: LineHandle<A>,
    transport: TransportId,
    /// Packets were handed to the socket and are not sent yet.
    in_flight: bool,
}

impl<A: App> Link<A> {
    /// Goes on as far as it can without waiting.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..READ_BATCH_MESSAGES {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(end) = self.receive(message) {
                        return Poll::Ready(end);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(end_of(&error)),
                Poll::Ready(None) => return Poll::Ready(End::ByPeer),
                Poll::Pending => return self.poll_send(cx),
            }
        }
        // More may be there: come back when the others had their turn.
        cx.waker().wake_by_ref();
        self.poll_send(cx)
    }

    fn receive(&mut self, message: Message) -> Option<End> {
        match message {
            Message::Text(text) => self.line.message(self.transport, app::Message::Text(text.as_str())),
            Message::Binary(bytes) => self.line.message(self.transport, app::Message::Binary(&bytes)),
            Message::Close(_) => return Some(End::ByPeer),
            // The library answers pings itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        None
    }

    /// Sends what waits. `Ready` if the server wants the end.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let signals = self.line.take_signals(cx);
        let mut more = signals.wake || self.in_flight;
        while more {
            if !self.in_flight {
                more = self.fill();
            }
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(end_of(&error)),
                Poll::Pending if signals.close => return Poll::Ready(End::ByServer),
                Poll::Pending => return Poll::Pending,
            }
        }
        if signals.close || self.line.take_signals(cx).close { Poll::Ready(End::ByServer) } else { Poll::Pending }
    }

    /// Hands packets to the socket. Returns whether there were any.
    fn fill(&mut self) -> bool {
        let mut budget = WRITE_BATCH_BYTES;
        while let Some(packet) = self.line.next(self.transport, budget) {
            let frame = frame_of(packet);
            budget = budget.saturating_sub(frame.payload().len());
            self.in_flight = true;
            if Pin::new(&mut self.socket).start_send(Message::Frame(frame)).is_err() {
                // What is wrong with it comes to light when it is flushed.
                break;
            }
        }
        self.in_flight
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        if core::mem::take(&mut self.in_flight) {
            self.line.flushed(self.transport);
        }
        Poll::Ready(Ok(()))
    }
}

fn frame_of(packet: Packet) -> Frame {
    let (bytes, kind) = match packet {
        Packet::Binary(bytes) => (bytes, Data::Binary),
        Packet::BinaryAsText(bytes) => {
            let mut text = Vec::with_capacity(1 + base64::encoded_len(bytes.len()));
            text.push(b'b');
            base64::encode(&bytes, &mut |piece| text.extend_from_slice(piece));
            (Bytes::from(text), Data::Text)
        }
        Packet::Text(bytes) => (bytes, Data::Text),
    };
    Frame::message(bytes, OpCode::Data(kind), true)
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::ByPeer,
        Error::Capacity(_) => End::Failed(Some(CloseCode::Size)),
        Error::Protocol(_) => End::Failed(Some(CloseCode::Protocol)),
        Error::Utf8(_) => End::Failed(Some(CloseCode::Invalid)),
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => End::ByPeer,
        _ => End::Failed(None),
    }
}

/// Sends a close frame and waits a while for the peer's, so that what was sent before it is not lost.
async fn close(mut socket: WebSocketStream<Stream>, code: Option<CloseCode>) {
    let frame = code.map(|code| CloseFrame { code, reason: "".into() });
    let goodbye = async {
        // The peer may be gone already.
        let _ = socket.close(frame).await;
        socket.get_ref().end();
        while let Some(Ok(_)) = core::future::poll_fn(|cx| Pin::new(&mut socket).poll_next(cx)).await {}
    };
    let _ = within(LINGER_TIMEOUT, goodbye).await;
}

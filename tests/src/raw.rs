//! What a test does by hand again and again: requests, sessions, and looking at what came back.

use sprat_core::App;
use sprat_core::memory::Memory;
use sprat_core::wire::{base64, engine, json};

use crate::client::Frame;
use crate::driver::{Answered, Body, Driver, Exchange, Line};

impl<A: App, M: Memory> Driver<A, M> {
    /// A GET.
    pub fn get(&mut self, target: &str) -> Exchange {
        self.request(&head("GET", target, &[]), Body::None)
    }

    /// A POST with its body.
    pub fn post(&mut self, target: &str, body: impl AsRef<[u8]>) -> Exchange {
        let body = body.as_ref();
        let len = body.len().to_string();
        let head = head("POST", target, &[("Content-Type", "text/plain;charset=UTF-8"), ("Content-Length", &len)]);
        self.request(&head, Body::Ready(body.into()))
    }

    /// A GET that asks for a WebSocket.
    pub fn upgrade(&mut self, target: &str) -> Exchange {
        self.request(&websocket_head(target), Body::None)
    }

    /// Begins a session over polling; its `sid`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn open_polling(&mut self) -> String {
        let exchange = self.get("/socket.io/?EIO=4&transport=polling");
        let (status, body) = self.http(exchange);
        assert_eq!(status, 200, "{body}");
        sid_of(&body)
    }

    /// Begins a session over WebSocket; the connection and its `sid`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn open_websocket(&mut self) -> (Line, String) {
        let exchange = self.upgrade("/socket.io/?EIO=4&transport=websocket");
        let line = self.line(exchange);
        let open = self.text(line);
        (line, sid_of(&open))
    }

    /// Begins a session over WebSocket and joins `/`; the connection and the id of the socket.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn connect_websocket(&mut self) -> (Line, String) {
        let (line, _) = self.open_websocket();
        self.send_text(line, "40");
        let connect = self.text(line);
        (line, sid_of(&connect))
    }

    /// Begins a session over polling and joins `/`; the `sid` of the session and the id of the socket.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn connect_polling(&mut self) -> (String, String) {
        let sid = self.open_polling();
        self.push(&sid, "40");
        let connect = self.pull(&sid);
        let socket = sid_of(&connect);
        (sid, socket)
    }

    /// A poll of a session.
    pub fn poll(&mut self, sid: &str) -> Exchange {
        self.get(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}"))
    }

    /// The body of a poll that is answered at once.
    ///
    /// # Panics
    /// If it is not, or with an error.
    pub fn pull(&mut self, sid: &str) -> String {
        let exchange = self.poll(sid);
        let (status, body) = self.http(exchange);
        assert_eq!(status, 200, "{body}");
        body
    }

    /// A POST of a session.
    pub fn push(&mut self, sid: &str, body: impl AsRef<[u8]>) -> Exchange {
        self.post(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}"), body)
    }

    /// A WebSocket for a session that is there.
    pub fn probe(&mut self, sid: &str) -> Exchange {
        self.upgrade(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}"))
    }

    /// The status and the body of an answer.
    ///
    /// # Panics
    /// If the answer is something else, or there is none.
    pub fn http(&self, exchange: Exchange) -> (u16, String) {
        match self.answer(exchange) {
            Some(Answered::Http(status, _, body)) => (*status, body.clone()),
            answer @ (Some(Answered::Destroyed | Answered::WebSocket(_) | Answered::WebSocketClosed) | None) => {
                panic!("no answer in HTTP: {answer:?}")
            }
        }
    }

    /// The WebSocket that an exchange has become.
    ///
    /// # Panics
    /// If it has not.
    pub fn line(&self, exchange: Exchange) -> Line {
        match self.answer(exchange) {
            Some(Answered::WebSocket(line)) => *line,
            answer @ (Some(Answered::Destroyed | Answered::Http(..) | Answered::WebSocketClosed) | None) => {
                panic!("no WebSocket: {answer:?}")
            }
        }
    }

    /// The oldest message of a WebSocket, which is text.
    ///
    /// # Panics
    /// If there is none, or it is binary.
    pub fn text(&mut self, line: Line) -> String {
        match self.receive(line) {
            Some(Frame::Text(text)) => text,
            frame @ (Some(Frame::Binary(_)) | None) => panic!("no text: {frame:?}"),
        }
    }

    /// All messages of a WebSocket that nobody has looked at.
    pub fn all(&mut self, line: Line) -> Vec<Frame> {
        core::iter::from_fn(|| self.receive(line)).collect()
    }
}

/// The `sid` of an OPEN or CONNECT packet.
///
/// # Panics
/// If there is none.
pub fn sid_of(packet: &str) -> String {
    let object = &packet[packet.find('{').expect("an object")..];
    let raw = json::member(object, "sid").expect("a sid");
    raw.trim_matches('"').into()
}

/// The head of a request.
pub fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

/// The head of a request for a WebSocket (RFC 6455, section 1.3).
pub fn websocket_head(target: &str) -> String {
    head(
        "GET",
        target,
        &[
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ],
    )
}

/// Binary as an Engine.IO packet of text.
pub fn base64_packet(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    base64::encode(bytes, &mut |piece| text.extend_from_slice(piece));
    let text = String::from_utf8(text).expect("base64 is ASCII");
    let mut packet = Vec::new();
    engine::Packet::Binary(&text).encode(&mut |piece| packet.extend_from_slice(piece));
    String::from_utf8(packet).expect("base64 is ASCII")
}

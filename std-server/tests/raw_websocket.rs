//! WebSockets byte for byte, over loopback: how they end, and how large a message may be (rows E20 and T9 to T12 of the
//! measured facts).

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use sprat::{Binary, Config, Handle, Io};

/// What a test waits for has to come in this time.
const PATIENCE: Duration = Duration::from_secs(10);
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;

/// A running server. It ends with the test.
struct Running {
    handle: Handle,
    address: SocketAddr,
    /// The reasons for which sockets have left.
    reasons: Receiver<&'static str>,
    thread: Option<JoinHandle<()>>,
}

/// A server that takes messages of 1,000 bytes, echoes `echo`, sends binary at `bytes` and disconnects at `bye`.
fn serve() -> Running {
    let ((started, is_started), (left, reasons)) = (channel(), channel());
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let config = Config { listen, max_payload_bytes: 1_000, ..Config::default() };
    let thread = std::thread::spawn(move || {
        let mut io = Io::new();
        let handle = io.handle();
        io.on_ready(move |addresses| started.send((handle, addresses[0])).expect("somebody waits"));
        io.on("echo", |socket, text: String, _ack| socket.emit("echo", text));
        io.on("bytes", |socket, (), _ack| socket.emit("bytes", Binary::from(vec![1, 2, 3])));
        io.on("bye", |socket, (), _ack| socket.disconnect(true));
        io.on_disconnect(move |_socket, reason| left.send(reason.as_str()).expect("the test goes on"));
        io.run(config).expect("a server that starts");
    });
    let (handle, address) = is_started.recv_timeout(PATIENCE).expect("a server that starts");
    Running { handle, address, reasons, thread: Some(thread) }
}

impl Running {
    fn reason(&self) -> &'static str {
        self.reasons.recv_timeout(PATIENCE).expect("a socket that leaves")
    }

    fn connect(&self, target: &str) -> Raw {
        self.connect_with(target, "")
    }

    fn connect_with(&self, target: &str, fields: &str) -> Raw {
        self.connect_sending(target, fields, b"")
    }

    /// As [`Self::connect`], with bytes that are sent together with the head.
    fn connect_sending(&self, target: &str, fields: &str, behind: &[u8]) -> Raw {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        stream.write_all(&[head.as_bytes(), behind].concat()).expect("room for a head");
        Raw(stream)
    }

    /// A client that has joined `/`.
    fn join(&self, query: &str) -> Raw {
        let mut raw = self.connect(&format!("/socket.io/?EIO=4&transport=websocket{query}"));
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        assert!(raw.text().starts_with("0{"));
        raw.send(TEXT, b"40");
        assert!(raw.text().starts_with("40{"));
        raw
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shut_down();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking(), "the server panicked");
    }
}

/// A connection.
struct Raw(TcpStream);

impl Raw {
    /// The head of the answer.
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("more");
            head.extend_from_slice(&byte);
        }
        String::from_utf8(head).expect("ASCII")
    }

    /// Sends a frame, masked with zeros (RFC 6455, section 5.3).
    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match u8::try_from(payload.len()) {
            Ok(len) if len < 126 => frame.push(0x80 | len),
            _ => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(payload.len()).expect("a short payload").to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).expect("room for a frame");
    }

    /// The next frame: its first byte and its payload.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 2];
        self.0.read_exact(&mut header).expect("more");
        let len = match header[1] {
            126 => {
                let mut len = [0; 2];
                self.0.read_exact(&mut len).expect("more");
                usize::from(u16::from_be_bytes(len))
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload).expect("more");
        (header[0], payload)
    }

    fn text(&mut self) -> String {
        let (first, payload) = self.frame();
        assert_eq!(first, TEXT);
        String::from_utf8(payload).expect("text")
    }

    /// What comes until the connection ends.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("an end");
        rest
    }
}

/// A message of so many bytes.
fn message(len: usize) -> String {
    let frame = r#"42["echo",""]"#;
    format!(r#"42["echo","{}"]"#, "x".repeat(len - frame.len()))
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_one_byte_more_is_closed_with_1009() {
    let server = serve();
    let mut raw = server.join("");
    raw.send(TEXT, message(1_000).as_bytes());
    assert_eq!(raw.text(), message(1_000));
    raw.send(TEXT, message(1_001).as_bytes());
    assert_eq!(raw.frame(), (CLOSE, vec![0x03, 0xf1]));
    assert_eq!(server.reason(), "transport error");
    assert!(raw.rest().is_empty());
}

#[test]
fn the_server_closes_a_websocket_with_a_frame_without_a_status() {
    let server = serve();
    let mut raw = server.join("");
    raw.send(TEXT, br#"42["bye"]"#);
    assert_eq!(raw.text(), "41");
    assert_eq!(raw.frame(), (CLOSE, vec![]));
    raw.send(CLOSE, b"");
    assert!(raw.rest().is_empty());
    assert_eq!(server.reason(), "server namespace disconnect");
}

#[test]
fn a_close_packet_of_the_client_ends_its_websocket_at_once() {
    let server = serve();
    let mut raw = server.join("");
    raw.send(TEXT, b"1");
    assert_eq!(raw.frame(), (CLOSE, vec![]));
    assert_eq!(server.reason(), "transport close");
}

#[test]
fn a_connection_that_breaks_is_a_transport_close() {
    let server = serve();
    drop(server.join(""));
    assert_eq!(server.reason(), "transport close");
    let mut raw = server.join("");
    raw.send(TEXT, br#"42["echo","unread"]"#);
    raw.0.peek(&mut [0]).unwrap();
    // With something unread the system resets the connection instead of ending it.
    drop(raw);
    assert_eq!(server.reason(), "transport close");
}

#[test]
fn what_is_no_websocket_frame_is_a_transport_error() {
    let server = serve();
    let mut raw = server.join("");
    // A reserved opcode (RFC 6455, section 5.2).
    raw.send(0x83, b"");
    assert_eq!(raw.frame(), (CLOSE, vec![0x03, 0xea]));
    assert_eq!(server.reason(), "transport error");
}

#[test]
fn binary_is_a_frame_of_its_own_or_base64_for_who_cannot_take_it() {
    let server = serve();
    let announcement = r#"451-["bytes",{"_placeholder":true,"num":0}]"#;
    for (query, attachment) in [("", (BINARY, vec![1, 2, 3])), ("&b64=1", (TEXT, b"bAQID".to_vec()))] {
        let mut raw = server.join(query);
        raw.send(TEXT, br#"42["bytes"]"#);
        assert_eq!(raw.text(), announcement, "{query}");
        assert_eq!(raw.frame(), attachment, "{query}");
    }
}

#[test]
fn per_message_deflate_is_not_agreed_to() {
    let server = serve();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut raw = server.connect_with("/socket.io/?EIO=4&transport=websocket", offer);
    let head = raw.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-extensions"), "{head}");
    assert!(raw.text().starts_with("0{"));
    // A compressed message has a bit that means nothing without the extension (RFC 7692, section 6).
    raw.send(TEXT | 0x40, b"40");
    assert_eq!(raw.frame(), (CLOSE, vec![0x03, 0xea]));
}

#[test]
fn an_upgrade_on_another_path_is_answered_at_once_as_any_request_is() {
    let server = serve();
    for (target, status) in [("/", "200"), ("/chat", "404"), ("/socket.io?EIO=4&transport=websocket", "404")] {
        let head = server.connect(target).head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {head}");
    }
}

#[test]
fn what_comes_with_the_request_is_answered_behind_the_head() {
    let server = serve();
    for (frame, answer) in
        [(b"\x89\x81\0\0\0\0x".as_slice(), b"\x8a\x01x".as_slice()), (b"\x88\x80\0\0\0\0", b"\x88\x00")]
    {
        let mut raw = server.connect_sending("/socket.io/?EIO=4&transport=websocket", "", frame);
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        let mut received = Vec::new();
        while !received.ends_with(answer) {
            let mut byte = [0];
            raw.0.read_exact(&mut byte).expect("an answer");
            received.push(byte[0]);
        }
        assert!(
            received.starts_with(b"\x81") && received[2..].trim_ascii().starts_with(b"0{"),
            "{}",
            received.escape_ascii()
        );
    }
}

#[test]
fn what_was_asked_together_with_the_end_is_answered_before_it() {
    let server = serve();
    let mut raw = server.connect("/socket.io/?EIO=4&transport=websocket");
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    assert!(raw.text().starts_with("0{"));
    // CONNECT, an event and a close frame in one piece: what follows a CONNECT is held back, but not until it is too late.
    raw.0
        .write_all(b"\x81\x82\0\0\0\x0040\x81\x8e\0\0\0\x0042[\"echo\",\"x\"]\x88\x80\0\0\0\0")
        .expect("room for three frames");
    assert!(raw.text().starts_with("40{"));
    assert_eq!(raw.text(), r#"42["echo","x"]"#);
    assert_eq!(raw.frame().0, CLOSE);
}

//! What programs of tests share that speak byte by byte: a server in a thread, connections, answers and frames.

#![allow(dead_code, reason = "each program of tests uses its part")]

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use sprat::{Config, Handle, Io};

/// What a test waits for has to come in this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The target of a handshake over polling.
pub(crate) const OPEN: &str = "/socket.io/?EIO=4&transport=polling";

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// A running server. It ends with the test.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// A server with what `set_up` registers.
pub(crate) fn run(config: Config, set_up: impl FnOnce(&mut Io) + Send + 'static) -> Running {
    let (started, is_started) = channel();
    let config = Config { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..config };
    let thread = std::thread::spawn(move || {
        let mut io = Io::new();
        let handle = io.handle();
        io.on_ready(move |addresses| started.send((handle, addresses[0])).expect("somebody waits"));
        set_up(&mut io);
        io.run(config).expect("a server that starts");
    });
    let (handle, address) = is_started.recv_timeout(PATIENCE).expect("a server that starts");
    Running { handle, address, thread: Some(thread) }
}

impl Running {
    pub(crate) fn connect(&self) -> Raw {
        Raw::connect(self.address)
    }

    /// A connection that has asked for a WebSocket.
    pub(crate) fn upgrade(&self, target: &str, fields: &str) -> Raw {
        let mut raw = self.connect();
        raw.send(websocket_head(target, fields));
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
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) head: String,
    /// The body, as text and as it came.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        &self.head["HTTP/1.1 ".len()..][..3]
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time that is not zero");
        stream.set_nodelay(true).expect("an option that there is");
        Self { stream, received: Vec::new() }
    }

    /// Sends as much as the server takes: who is refused may be cut off in the middle.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a WebSocket frame.
    pub(crate) fn frame(&mut self, first: u8, payload: impl AsRef<[u8]>) -> bool {
        self.send(frame(first, payload))
    }

    /// Sends a request, with `fields` that end in line ends, and reads its answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Answer {
        self.send(request(method, target, fields, body));
        self.answer_to(method).expect("an answer")
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// The next answer; `None` if the connection ends before.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        self.answer_to("GET")
    }

    /// The next frame: its first byte and its payload.
    pub(crate) fn next_frame(&mut self) -> (u8, Vec<u8>) {
        self.next().expect("a frame")
    }

    /// The next frame; `None` if the connection ends before.
    pub(crate) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let header = self.exactly(2)?;
        let len = match header[1] {
            126 => self.exactly(2)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            127 => self.exactly(8)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            len => usize::from(len),
        };
        Some((header[0], self.exactly(len)?))
    }

    /// Whether the server ends the connection, whatever it says before.
    pub(crate) fn ends(&mut self) -> bool {
        while self.more() {
            self.received.clear();
        }
        true
    }

    /// Whether the server has ended the connection, and nothing is left.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.received.is_empty() && !self.more()
    }

    /// What comes until the connection ends. A reset would say that something was not read: what was sent before it may be
    /// lost.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        self.stream.read_to_end(&mut self.received)?;
        Ok(core::mem::take(&mut self.received))
    }

    fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None if !self.more() => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.exactly(end)?).expect("ASCII");
        let mut answer = Answer { head, body: String::new(), bytes: Vec::new() };
        if let Some(len) = answer.field("Content-Length").filter(|_| method != "HEAD") {
            let len = len.parse().expect("a number");
            answer.bytes = self.exactly(len).expect("a whole body");
            answer.body = String::from_utf8_lossy(&answer.bytes).into_owned();
        }
        Some(answer)
    }

    /// So many bytes; `None` if the connection ends before.
    pub(crate) fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.received.len() < len {
            if !self.more() {
                return None;
            }
        }
        Some(self.received.drain(..len).collect())
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 65_536];
        match self.stream.read(&mut bytes) {
            Ok(len) => {
                self.received.extend_from_slice(&bytes[..len]);
                len > 0
            }
            Err(problem) if problem.kind() == ErrorKind::ConnectionReset => false,
            Err(problem) => panic!("nothing came: {problem}"),
        }
    }
}

pub(crate) fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    let len = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}{len}\r\n{body}")
}

pub(crate) fn websocket_head(target: &str, fields: &str) -> String {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    request("GET", target, &format!("{upgrade}{fields}"), "")
}

/// A masked frame with its length in the shortest form (RFC 6455, section 5.2).
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let form = match payload.as_ref().len() {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    long_frame(first, form, payload)
}

/// A masked frame with its length in a form of so many bytes.
pub(crate) fn long_frame(first: u8, form: usize, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let len = (payload.len() as u64).to_be_bytes();
    let short = match form {
        0 => len[7],
        2 => 126,
        _ => 127,
    };
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    [first, 0x80 | short].into_iter().chain(len[8 - form..].iter().copied()).chain(key).chain(masked).collect()
}

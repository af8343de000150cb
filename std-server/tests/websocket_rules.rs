//! RFC 6455, rule by rule, as suites for WebSocket servers ask: a bare echo over loopback, through the same connections as
//! Socket.IO.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use sprat::{Config, Handle, Hooks, Io};

/// What a test waits for has to come in this time.
const PATIENCE: Duration = Duration::from_secs(20);
const MESSAGE_BYTES_MAX: usize = 1 << 20;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// The first piece of a text, a piece in the middle of a message, and the last one.
const BEGIN: u8 = 0x01;
const MIDDLE: u8 = 0x00;
const END: u8 = 0x80;

/// Close codes (section 7.4.1).
const PROTOCOL: u16 = 1002;
const NOT_TEXT: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;

/// A running echo. It ends with the test.
struct Echo {
    handle: Handle,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

fn serve() -> Echo {
    serve_with(Config::default())
}

/// As [`serve`], with other times.
fn serve_with(config: Config) -> Echo {
    let (started, is_started) = channel();
    let listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let config = Config { listen, max_payload_bytes: MESSAGE_BYTES_MAX, ..config };
    let thread = std::thread::spawn(move || {
        let mut hooks = Hooks::new();
        hooks.echo_websockets();
        let mut io = Io::new();
        io.hooks(hooks);
        let handle = io.handle();
        io.on_ready(move |addresses| started.send((handle, addresses[0])).expect("somebody waits"));
        io.run(config).expect("a server that starts");
    });
    let (handle, address) = is_started.recv_timeout(PATIENCE).expect("a server that starts");
    Echo { handle, address, thread: Some(thread) }
}

impl Echo {
    fn connect(&self) -> Raw {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time that is not zero");
        stream.set_nodelay(true).expect("an option that there is");
        let head = "GET /any/path HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("room for a head");
        let mut raw = Raw(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(raw.take(1));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        raw
    }

    /// Sends frames in one write, and what is expected of them: frames, and how it ends.
    fn exchange(&self, what: &str, sent: &[Vec<u8>], expected: &[(u8, &[u8])]) {
        // Whole, and so that no two bytes come at once.
        for step in [usize::MAX, 1] {
            let mut raw = self.connect();
            let bytes = sent.concat();
            for piece in bytes.chunks(step.min(bytes.len())) {
                // The server may have ended the connection at an earlier byte.
                if raw.0.write_all(piece).is_err() {
                    break;
                }
            }
            for (first, payload) in expected {
                let (got, got_payload) = raw.frame();
                assert_eq!((got, &got_payload[..]), (*first, *payload), "{what}, in pieces of {step}");
            }
            if expected.last().is_some_and(|(first, _)| *first == CLOSE) {
                raw.assert_ended(what);
            }
        }
    }

    /// Frames that the server answers with a close code, behind whatever it answered before.
    fn refused(&self, what: &str, sent: &[Vec<u8>], before: &[(u8, &[u8])], code: u16) {
        let code = code.to_be_bytes();
        self.exchange(what, sent, &[before, &[(CLOSE, &code)]].concat());
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.handle.shut_down();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking(), "the server panicked");
    }
}

/// A connection.
struct Raw(TcpStream);

impl Raw {
    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("room");
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).expect("more");
        bytes
    }

    /// The next frame: its first byte and its payload.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let header = self.take(2);
        let len = match header[1] {
            126 => self.take(2).iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            127 => self.take(8).iter().fold(0, |len, byte| len << 8 | usize::from(*byte)),
            len => usize::from(len),
        };
        (header[0], self.take(len))
    }

    /// Nothing else comes, and the connection ends without having failed.
    fn assert_ended(&mut self, what: &str) {
        let mut rest = Vec::new();
        // A reset would say that something was not read: a close frame before it may be lost.
        self.0.read_to_end(&mut rest).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(rest, b"", "{what}");
    }
}

/// A masked frame with its length in the shortest form.
fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let len = payload.as_ref().len();
    let form = match len {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    long_frame(first, form, payload)
}

/// A masked frame with its length in a form of so many bytes.
fn long_frame(first: u8, form: usize, payload: impl AsRef<[u8]>) -> Vec<u8> {
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

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, [&code.to_be_bytes(), reason].concat())
}

#[test]
fn messages_of_every_form_of_length_come_back() {
    let server = serve();
    for first in [TEXT, BINARY] {
        for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, MESSAGE_BYTES_MAX] {
            let payload = vec![if first == TEXT { b'*' } else { 0xfe }; len];
            let mut raw = server.connect();
            raw.send(&frame(first, &payload));
            assert!(raw.frame() == (first, payload), "{first:#x} with {len} bytes");
        }
    }
}

#[test]
fn a_message_comes_back_however_it_was_cut() {
    let server = serve();
    let payload = "Hellö €𝄞 ".repeat(7_000).into_bytes();
    for piece_len in [64, 1_000, 65_536] {
        let mut raw = server.connect();
        let pieces: Vec<_> = payload.chunks(piece_len).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let first = if at == 0 { BEGIN } else { MIDDLE };
            raw.send(&frame(if at + 1 == pieces.len() { first | END } else { first }, piece));
        }
        assert!(raw.frame() == (TEXT, payload.clone()), "in pieces of {piece_len}");
    }
    // One frame, in writes of any length.
    let mut raw = server.connect();
    for piece in frame(BINARY, &payload).chunks(997) {
        raw.send(piece);
    }
    assert!(raw.frame() == (BINARY, payload));
}

#[test]
fn pings_are_answered_in_order_with_what_they_carry_also_inside_a_message() {
    let server = serve();
    let longest = [0xfe; 125];
    server.exchange("pings", &[frame(PING, b""), frame(PING, longest)], &[(PONG, b""), (PONG, &longest)]);
    let many: Vec<_> = (0..10).map(|n| frame(PING, format!("ping {n}"))).collect();
    let answers: Vec<_> = (0..10).map(|n| format!("ping {n}")).collect();
    let answers: Vec<_> = answers.iter().map(|answer| (PONG, answer.as_bytes())).collect();
    server.exchange("ten pings", &many, &answers);
    server.exchange("a pong that nobody asked for", &[frame(PONG, b"x"), frame(PING, b"y")], &[(PONG, b"y")]);
    server.exchange(
        "a ping between pieces",
        &[frame(BEGIN, b"Hel"), frame(PING, b"now"), frame(MIDDLE, b""), frame(END, b"lo")],
        &[(PONG, b"now"), (TEXT, b"Hello")],
    );
}

#[test]
fn what_section_5_forbids_ends_with_1002_behind_the_answers_to_what_came_before() {
    let server = serve();
    let hello = || frame(TEXT, b"Hello");
    let answered: &[(u8, &[u8])] = &[(TEXT, b"Hello")];
    for reserved in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for first in [TEXT, BINARY, PING, CLOSE] {
            let sent = [hello(), frame(first | reserved, b""), frame(PING, b"")];
            server.refused("a reserved bit", &sent, answered, PROTOCOL);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let sent = [hello(), frame(0x80 | opcode, b"x"), frame(PING, b"")];
        server.refused("an opcode that nobody knows", &sent, answered, PROTOCOL);
    }
    let unmasked = [TEXT, 2, b'h', b'i'].to_vec();
    server.refused("a frame without a mask", &[hello(), unmasked], answered, PROTOCOL);
    for (what, wrong) in [
        ("a long ping", frame(PING, [0; 126])),
        ("a long close", frame(CLOSE, [0; 126])),
        ("a ping in pieces", frame(PING & 0x7f, b"x")),
        ("a pong in pieces", frame(PONG & 0x7f, b"x")),
        ("a close in pieces", frame(CLOSE & 0x7f, b"")),
        ("125 in two bytes", long_frame(BINARY, 2, [0; 125])),
        ("125 in eight bytes", long_frame(BINARY, 8, [0; 125])),
        ("65,535 in eight bytes", long_frame(BINARY, 8, vec![0; 65_535])),
        ("a continuation of nothing", frame(END, b"x")),
        ("an empty continuation of nothing", frame(MIDDLE, b"")),
    ] {
        server.refused(what, &[hello(), wrong], answered, PROTOCOL);
    }
    let sent = [frame(BEGIN, b"Hel"), frame(TEXT, b"lo")];
    server.refused("a message inside a message", &sent, &[], PROTOCOL);
    let sent = [frame(BEGIN, b"Hel"), frame(END, b"lo"), frame(END, b"!")];
    server.refused("a piece behind the last", &sent, answered, PROTOCOL);
}

/// What is wrong is told while the rest of it is still to come: the bytes sent do not make a frame.
#[test]
fn nobody_waits_for_the_end_of_a_frame_that_is_wrong_at_its_beginning() {
    let server = serve();
    for (what, sent, code) in [
        ("a reserved bit", vec![TEXT | 0x40], PROTOCOL),
        ("an unknown opcode", vec![0x83], PROTOCOL),
        ("no mask", vec![TEXT, 0x05], PROTOCOL),
        ("a long control frame", vec![PING, 0x80 | 126], PROTOCOL),
        ("a length in a long form", vec![BINARY, 0x80 | 126, 0, 1], PROTOCOL),
        ("a length with its highest bit", vec![BINARY, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], PROTOCOL),
        ("a frame beyond the limit", vec![BINARY, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0], TOO_LARGE),
        ("the longest frame of all", [&[BINARY, 0xff, 0x7f][..], &[0xff; 7], &[0; 4]].concat(), TOO_LARGE),
        ("a wrong byte of text", [&[TEXT, 0x80 | 100, 0, 0, 0, 0], &b"fine \xc0"[..]].concat(), NOT_TEXT),
        ("a wrong code", vec![CLOSE, 0x80 | 100, 0, 0, 0, 0, 0, 0], PROTOCOL),
        ("a wrong byte of a reason", vec![CLOSE, 0x80 | 100, 0, 0, 0, 0, 0x03, 0xe8, 0xff], NOT_TEXT),
    ] {
        server.refused(what, &[sent], &[], code);
    }
}

#[test]
fn text_is_refused_with_1007_at_its_first_wrong_byte_and_valid_text_comes_back() {
    let server = serve();
    for text in
        ["κόσμε", "\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}", "\u{d7ff}\u{e000}\u{fffd}\u{fffe}"]
    {
        server.exchange(text, &[frame(TEXT, text)], &[(TEXT, text.as_bytes())]);
        let (head, tail) = text.as_bytes().split_at(3);
        // Cut inside of a character.
        server.exchange(text, &[frame(BEGIN, head), frame(END, tail)], &[(TEXT, text.as_bytes())]);
    }
    for wrong in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..],
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\x80",
        b"\xbf\x80",
        b"\xc0\x20",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xed\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xc3",
        b"\xe2\x82",
    ] {
        server.refused("wrong text", &[frame(TEXT, wrong)], &[], NOT_TEXT);
        // A long one comes in several reads.
        server.refused("long wrong text", &[frame(TEXT, [&[b'x'; 3_000], wrong].concat())], &[], NOT_TEXT);
        server.refused("wrong text, last", &[frame(BEGIN, b"fine"), frame(END, wrong)], &[], NOT_TEXT);
    }
    // The message has no end yet, and never needs one.
    let sent = [frame(BEGIN, b"fine"), frame(MIDDLE, b"\xf4\x90\x80\x80")];
    server.refused("wrong text in the middle", &sent, &[], NOT_TEXT);
    let sent = [frame(BEGIN, b"\xe2\x82"), frame(END, b"")];
    server.refused("a character without its end", &sent, &[], NOT_TEXT);
    let bytes = b"\xff\xfe";
    server.exchange("what is no text may be binary", &[frame(BINARY, bytes)], &[(BINARY, bytes)]);
}

#[test]
fn a_close_is_answered_with_its_own_code_and_whatever_follows_is_ignored() {
    let server = serve();
    server.exchange("without a body", &[frame(CLOSE, b"")], &[(CLOSE, b"")]);
    for code in [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999] {
        let expected = code.to_be_bytes();
        server.exchange("a code", &[close(code, b"")], &[(CLOSE, &expected)]);
    }
    let reason = "x".repeat(120) + "€";
    let expected = [&[0x03, 0xe8], reason.as_bytes()].concat();
    server.exchange("a long reason", &[close(1000, reason.as_bytes())], &[(CLOSE, &expected)]);
    for behind in [frame(PING, b"x"), frame(TEXT, b"x"), frame(TEXT | 0x70, b"x"), vec![0xff; 20], close(1001, b"")] {
        let sent = [frame(TEXT, b"Hello"), close(1000, b""), behind];
        server.exchange("something behind", &sent, &[(TEXT, b"Hello"), (CLOSE, &[0x03, 0xe8])]);
    }
    let sent = [frame(BEGIN, b"never"), close(1000, b""), frame(END, b"completed")];
    server.exchange("a close inside a message", &sent, &[(CLOSE, &[0x03, 0xe8])]);
    let long = "x".repeat(256 << 10);
    let sent = [frame(TEXT, &long), close(1000, b""), frame(PING, b"")];
    server.exchange("a close behind a long message", &sent, &[(TEXT, long.as_bytes()), (CLOSE, &[0x03, 0xe8])]);
}

#[test]
fn a_close_that_may_not_be_sent_is_answered_with_what_is_wrong_about_it() {
    let server = serve();
    server.refused("half a code", &[frame(CLOSE, b"\x03")], &[], PROTOCOL);
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        server.refused("a code", &[close(code, b"")], &[], PROTOCOL);
        server.refused("a code", &[close(code, b"why")], &[], PROTOCOL);
    }
    server.refused("a reason that is no text", &[close(1000, b"\xce\xba\xed\xa0\x80")], &[], NOT_TEXT);
}

#[test]
fn a_message_in_pieces_is_refused_with_1009_when_it_is_too_long() {
    let server = serve();
    let mut raw = server.connect();
    let half = vec![b'x'; MESSAGE_BYTES_MAX / 2];
    raw.send(&[frame(BEGIN, &half), frame(MIDDLE, &half), frame(END, b"x")].concat());
    assert_eq!(raw.frame(), (CLOSE, TOO_LARGE.to_be_bytes().to_vec()));
    raw.assert_ended("too long");
}

#[test]
fn a_flood_of_pings_and_empty_pieces_ends_with_1008() {
    let server = serve();
    for piece in [frame(PONG, b""), frame(PONG, [b'x'; 125])] {
        let mut raw = server.connect();
        raw.send(&piece.repeat(1_000));
        raw.send(&frame(TEXT, b"a message in between"));
        assert_eq!(raw.frame().0, TEXT);
        raw.send(&piece.repeat(1_001));
        assert_eq!(raw.frame(), (CLOSE, POLICY.to_be_bytes().to_vec()));
        raw.assert_ended("pongs");
    }
    let mut raw = server.connect();
    raw.send(&frame(BEGIN, b""));
    raw.send(&frame(MIDDLE, b"").repeat(1_000));
    assert_eq!(raw.frame(), (CLOSE, POLICY.to_be_bytes().to_vec()));
    raw.assert_ended("empty pieces");
}

/// Nobody reads the pongs; the server must not hold them, and ends it.
#[test]
fn pings_that_are_not_read_are_cut_off_and_nobody_else_notices() {
    let server = serve();
    let mut flooding = server.connect();
    let pings = frame(PING, [b'x'; 125]).repeat(1_000);
    let cut = (0..400).find_map(|_| flooding.0.write_all(&pings).err());
    let error = cut.expect("an end before 400,000 pings are taken");
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    let mut other = server.connect();
    other.send(&frame(TEXT, b"still here"));
    assert_eq!(other.frame(), (TEXT, b"still here".to_vec()));
    // What was sent before the end is there, or lost with the reset; what counts is that it ends.
    let mut rest = Vec::new();
    if let Err(error) = flooding.0.read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_echo_that_is_not_read_ends() {
    let server = serve();
    let mut raw = server.connect();
    let message = frame(BINARY, vec![0; 64 << 10]);
    let sent = (0..10_000).position(|_| raw.0.write_all(&message).is_err());
    assert!(sent.is_some(), "the server took all of it");
}

#[test]
fn an_echo_that_nobody_speaks_to_ends() {
    let short = Duration::from_millis(100);
    let server = serve_with(Config { ping_interval: short, ping_timeout: short, ..Config::default() });
    let mut mute = server.connect();
    assert_eq!(mute.frame(), (CLOSE, Vec::new()));
    mute.send(&frame(CLOSE, b""));
    mute.assert_ended("mute");
}

#[test]
fn a_client_that_ends_its_side_is_let_go() {
    let server = serve();
    let mut raw = server.connect();
    raw.send(&frame(BEGIN, b"Hel"));
    raw.0.shutdown(Shutdown::Write).expect("an open connection");
    let mut rest = Vec::new();
    raw.0.read_to_end(&mut rest).expect("an end");
    assert!(rest.is_empty() || rest[0] == CLOSE, "{rest:?}");
}

//! RFC 6455, rule by rule, as suites for WebSocket servers ask: a bare echo over loopback, through the same connections as
//! Socket.IO.

mod common;

use core::time::Duration;
use std::io::{ErrorKind, Write as _};
use std::net::Shutdown;

use common::{BINARY, CLOSE, PING, PONG, Raw, Running, TEXT, frame, long_frame, run};
use sprat::{Config, Hooks};

const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The first piece of a text, a piece in the middle of a message, and the last one.
const BEGIN: u8 = 0x01;
const MIDDLE: u8 = 0x00;
const END: u8 = 0x80;

/// Close codes (section 7.4.1).
const PROTOCOL: u16 = 1002;
const NOT_TEXT: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;

/// A bare echo.
fn serve() -> Running {
    serve_with(Config::default())
}

/// As [`serve`], with other times.
fn serve_with(config: Config) -> Running {
    run(Config { max_payload_bytes: MESSAGE_BYTES_MAX, ..config }, |io| {
        let mut hooks = Hooks::new();
        hooks.echo_websockets();
        io.hooks(hooks);
    })
}

impl Running {
    fn open(&self) -> Raw {
        let mut raw = self.upgrade("/any/path", "");
        assert_eq!(raw.answer().status(), "101");
        raw
    }

    /// Sends frames in one write, and what is expected of them: frames, and how it ends.
    fn exchange(&self, what: &str, sent: &[Vec<u8>], expected: &[(u8, &[u8])]) {
        // Whole, and so that no two bytes come at once.
        for step in [usize::MAX, 1] {
            let mut raw = self.open();
            let bytes = sent.concat();
            // The server may have ended the connection at an earlier byte.
            let _ = bytes.chunks(step.min(bytes.len())).all(|piece| raw.send(piece));
            for (first, payload) in expected {
                let (got, got_payload) = raw.next_frame();
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

impl Raw {
    /// Nothing else comes, and the connection ends without having failed.
    fn assert_ended(&mut self, what: &str) {
        assert_eq!(self.rest().unwrap_or_else(|error| panic!("{what}: {error}")), b"", "{what}");
    }
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, [&code.to_be_bytes(), reason].concat())
}

#[test]
fn who_asks_for_a_websocket_wrongly_is_told_so() {
    let echo = serve();
    let good = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (method, fields, version) in [
        ("GET", "Sec-WebSocket-Version: 13\r\n", ""),
        ("GET", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n", ""),
        ("GET", "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "13"),
        ("POST", good, ""),
        ("GET", &format!("{good}{good}"), ""),
        ("GET", &format!("Content-Length: 2\r\n{good}"), ""),
    ] {
        let mut raw = echo.connect();
        raw.send(format!(
            "{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\r\n"
        ));
        let answer = String::from_utf8(raw.rest().expect("an answer and the end")).expect("text");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields}: {answer}");
        assert_eq!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), version == "13", "{fields}: {answer}");
    }
}

#[test]
fn messages_of_every_form_of_length_come_back() {
    let server = serve();
    for first in [TEXT, BINARY] {
        for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, MESSAGE_BYTES_MAX] {
            let payload = vec![if first == TEXT { b'*' } else { 0xfe }; len];
            let mut raw = server.open();
            raw.send(frame(first, &payload));
            assert!(raw.next_frame() == (first, payload), "{first:#x} with {len} bytes");
        }
    }
}

#[test]
fn a_message_comes_back_however_it_was_cut() {
    let server = serve();
    let payload = "Hellö €𝄞 ".repeat(7_000).into_bytes();
    for piece_len in [64, 1_000, 65_536] {
        let mut raw = server.open();
        let pieces: Vec<_> = payload.chunks(piece_len).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let first = if at == 0 { BEGIN } else { MIDDLE };
            raw.send(frame(if at + 1 == pieces.len() { first | END } else { first }, piece));
        }
        assert!(raw.next_frame() == (TEXT, payload.clone()), "in pieces of {piece_len}");
    }
    // One frame, in writes of any length.
    let mut raw = server.open();
    for piece in frame(BINARY, &payload).chunks(997) {
        raw.send(piece);
    }
    assert!(raw.next_frame() == (BINARY, payload));
}

#[test]
fn long_messages_come_back_however_much_of_the_next_has_come_with_one() {
    let server = serve();
    let (one, next) = (vec![b'1'; 20_000], vec![b'2'; 30_000]);
    let next_frame = frame(BINARY, &next);
    let mut raw = server.open();
    for begun in (0..=16).chain([1_000, 5_000, 20_000]) {
        let (begun, rest) = next_frame.split_at(begun);
        raw.send([&frame(BINARY, &one)[..], begun].concat());
        assert!(raw.next_frame() == (BINARY, one.clone()), "before {} bytes", begun.len());
        raw.send(rest);
        assert!(raw.next_frame() == (BINARY, next.clone()), "cut behind {} bytes", begun.len());
        raw.send([&frame(BINARY, &one)[..], &frame(TEXT, b"short"), begun].concat());
        assert!(raw.next_frame() == (BINARY, one.clone()) && raw.next_frame() == (TEXT, b"short".to_vec()));
        raw.send(rest);
        assert!(raw.next_frame() == (BINARY, next.clone()), "cut behind a short one and {} bytes", begun.len());
    }
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
        (
            "a frame beyond the limit of which much has come",
            [&[BINARY, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0][..], &[0; 5_000]].concat(),
            TOO_LARGE,
        ),
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
fn a_message_in_pieces_is_refused_with_1009_when_it_announces_too_much() {
    let server = serve();
    let mut raw = server.open();
    let half = vec![b'x'; MESSAGE_BYTES_MAX / 2];
    // It is known at the header of the last piece, of which no more than that comes.
    let last = frame(END, b"x");
    raw.send([&frame(BEGIN, &half), &frame(MIDDLE, &half), &last[..last.len() - 1]].concat());
    assert_eq!(raw.next_frame(), (CLOSE, TOO_LARGE.to_be_bytes().to_vec()));
    raw.assert_ended("too long");
}

#[test]
fn a_flood_of_pings_and_empty_pieces_ends_with_1008() {
    let server = serve();
    for piece in [frame(PONG, b""), frame(PONG, [b'x'; 125])] {
        let mut raw = server.open();
        raw.send(piece.repeat(1_000));
        raw.send(frame(TEXT, b"a message in between"));
        assert_eq!(raw.next_frame().0, TEXT);
        raw.send(piece.repeat(1_001));
        assert_eq!(raw.next_frame(), (CLOSE, POLICY.to_be_bytes().to_vec()));
        raw.assert_ended("pongs");
    }
    let mut raw = server.open();
    raw.send(frame(BEGIN, b""));
    raw.send(frame(MIDDLE, b"").repeat(1_000));
    assert_eq!(raw.next_frame(), (CLOSE, POLICY.to_be_bytes().to_vec()));
    raw.assert_ended("empty pieces");
}

/// Nobody reads the pongs; the server must not hold them, and ends it.
#[test]
fn pings_that_are_not_read_are_cut_off_and_nobody_else_notices() {
    let server = serve();
    let mut flooding = server.open();
    let pings = frame(PING, [b'x'; 125]).repeat(1_000);
    let cut = (0..400).find_map(|_| flooding.stream.write_all(&pings).err());
    let error = cut.expect("an end before 400,000 pings are taken");
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    let mut other = server.open();
    other.send(frame(TEXT, b"still here"));
    assert_eq!(other.next_frame(), (TEXT, b"still here".to_vec()));
    // What was sent before the end is there, or lost with the reset; what counts is that it ends.
    if let Err(error) = flooding.rest() {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_echo_that_is_not_read_reads_no_more_and_ends() {
    let short = Duration::from_millis(100);
    let server = serve_with(Config { ping_interval: short, ping_timeout: short, ..Config::default() });
    let mut raw = server.open();
    let message = frame(BINARY, vec![0; 64 << 10]);
    // The system takes some of it, in both directions.
    let sent = (0..1_000).position(|_| !raw.send(&message));
    assert!(sent.is_some(), "the server took all of it");
}

#[test]
fn an_echo_that_nobody_speaks_to_ends() {
    let short = Duration::from_millis(100);
    let server = serve_with(Config { ping_interval: short, ping_timeout: short, ..Config::default() });
    let mut mute = server.open();
    assert_eq!(mute.next_frame(), (CLOSE, Vec::new()));
    mute.send(frame(CLOSE, b""));
    mute.assert_ended("mute");
}

#[test]
fn a_client_that_ends_its_side_is_let_go() {
    let server = serve();
    let mut raw = server.open();
    raw.send(frame(BEGIN, b"Hel"));
    raw.stream.shutdown(Shutdown::Write).expect("an open connection");
    let rest = raw.rest().expect("an end");
    assert!(rest.is_empty() || rest[0] == CLOSE, "{rest:?}");
}

#[test]
fn a_server_that_stops_closes_an_echo_as_it_closes_clients() {
    let server = serve();
    let mut raw = server.open();
    raw.frame(TEXT, b"first");
    assert_eq!(raw.next_frame(), (TEXT, b"first".to_vec()));
    server.handle.shut_down();
    assert_eq!(raw.next_frame(), (CLOSE, vec![]));
}

extern crate std;

use core::task::{Context, Waker};
use std::format;
use std::string::{String, ToString as _};
use std::vec;
use std::vec::Vec;

use super::*;
use crate::Server;
use crate::app::{Event, Target};
use crate::ids::SocketId;
use crate::limits::Limits;
use crate::lines::{Attached, Line};
use crate::memory::{Entropy, Fixed, Lend, Lent};
use crate::wire::message::MESSAGE_OVERHEAD_BYTES;

const PAYLOAD_BYTES: usize = 200;
const PAGES: &[Page] = &[Page {
    path: "/",
    etag: "\"1\"",
    fields: "\r\nETag: \"1\"",
    body_fields: "\r\nContent-Length: 5",
    body: b"Hello",
}];
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Says everything again, to all.
struct Echo;

impl App for Echo {
    fn on_event(&mut self, context: &mut dyn crate::Context, _: SocketId, event: Event<'_>) {
        let _ = context.emit(Target::all(), if event.name.is("a") { "a" } else { "b" }, event.payload);
    }
}

/// A server for one session, so that its id is known, and a connection whose peer sends and takes few bytes at once.
struct Bench<'m, 'b> {
    lines: Lines<Echo, Lent<'m, Zeros>>,
    connection: Connection<'b>,
    ms: u64,
    read_max: usize,
    write_max: usize,
    sent: Vec<u8>,
    end: Option<End>,
}

impl Bench<'_, '_> {
    /// Sends `bytes`, or the end of the stream if there are none, and does all that follows.
    fn feed(&mut self, mut bytes: &[u8]) {
        let mut is_over = !bytes.is_empty();
        loop {
            let cx = Context::from_waker(Waker::noop());
            let now = Now::monotonic(Instant::from_ms(self.ms));
            match self.connection.step(&mut self.lines, now, &cx) {
                Step::End(end) => return self.end = Some(end),
                Step::Yield => {}
                Step::Wait { write: true, .. } => {
                    let mut room = vec![0; self.write_max];
                    let len = self.connection.write(&mut self.lines, now, &mut room);
                    self.sent.extend_from_slice(&room[..len]);
                }
                Step::Wait { read: true, .. } if !bytes.is_empty() => {
                    let spare = self.connection.spare();
                    let len = bytes.len().min(self.read_max).min(spare.len());
                    spare[..len].copy_from_slice(&bytes[..len]);
                    bytes = &bytes[len..];
                    self.connection.received(&mut self.lines, now, len);
                }
                Step::Wait { read: true, .. } if !is_over => {
                    is_over = true;
                    self.connection.received(&mut self.lines, now, 0);
                }
                Step::Wait { .. } => return,
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.ms += ms;
        self.lines.tick(Now::monotonic(Instant::from_ms(self.ms)));
        self.feed_nothing();
    }

    /// Does what follows from the time.
    fn feed_nothing(&mut self) {
        let cx = Context::from_waker(Waker::noop());
        let now = Now::monotonic(Instant::from_ms(self.ms));
        while let step @ (Step::Yield | Step::Wait { write: true, .. } | Step::End(_)) =
            self.connection.step(&mut self.lines, now, &cx)
        {
            if let Step::End(end) = step {
                return self.end = Some(end);
            }
            let mut room = vec![0; self.write_max];
            let len = self.connection.write(&mut self.lines, now, &mut room);
            self.sent.extend_from_slice(&room[..len]);
        }
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&core::mem::take(&mut self.sent)).into_owned()
    }
}

fn with_bench<R>(read_max: usize, write_max: usize, test: impl FnOnce(&mut Bench<'_, '_>) -> R) -> R {
    let mut memory = Fixed::<2, 2, 2, 2, 16, 1, 16, 2048, 0>::new();
    let (mut line, mut websockets) = (heapless::Vec::<Line, 1>::new(), heapless::Vec::<Option<Attached>, 2>::new());
    let limits = Limits { payload_bytes_max: PAYLOAD_BYTES as u32, ..Limits::default() };
    let server = Server::new(Echo, memory.lend(Zeros), limits).expect("limits that can be");
    let mut lines = Lines::new(server, Lend::new(&mut line), Lend::new(&mut websockets));
    assert!(lines.open(0));
    let mut buffer = [0; PAYLOAD_BYTES + MESSAGE_OVERHEAD_BYTES];
    let connection = Connection::new(0, &mut buffer, PAGES, Now::default());
    test(&mut Bench { lines, connection, ms: 0, read_max, write_max, sent: Vec::new(), end: None })
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => frame.extend([0xfe, (len >> 8) as u8, len as u8]),
    }
    frame.extend([1, 2, 3, 4]);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ [1, 2, 3, 4][at % 4]));
    frame
}

/// The id of the only session: 20 characters, of which the random ones are known.
fn sid(bench: &mut Bench<'_, '_>) -> String {
    bench.feed(get(POLLING, "").as_bytes());
    let opened = bench.take();
    assert!(opened.starts_with("HTTP/1.1 200 OK\r\n"), "{opened}");
    let (_, sid) = opened.split_once("\"sid\":\"").expect("an id");
    sid[..20].to_string()
}

/// What is sent on a connection that asks for pages, polls, posts in pieces and becomes a WebSocket.
fn story(bench: &mut Bench<'_, '_>) -> String {
    bench.feed(get("/", "").as_bytes());
    bench.feed(get("/", "If-None-Match: W/\"1\"\r\n").as_bytes());
    bench.feed(get("/none", "").replace("GET", "HEAD").as_bytes());
    bench.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    bench.take()
}

fn long_story(bench: &mut Bench<'_, '_>) -> String {
    let mut told = String::new();
    bench.feed(format!("{}{}", get("/", ""), get("/", "If-None-Match: W/\"1\"\r\n")).as_bytes());
    told += &bench.take();
    let target = format!("{POLLING}&sid={}", sid(bench));
    let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    bench.feed(format!("{head}{chunked}1;x=y\r\n4\r\n1\r\n0\r\n0\r\nTrailer: x\r\n\r\n").as_bytes());
    bench.feed(format!("{head}Content-Length: 21\r\n\r\n42[\"a\",1]\u{1e}42[\"b\",[2]]").as_bytes());
    bench.feed(get(&target, "").as_bytes());
    told += &bench.take();
    bench.feed(get(&target, "").as_bytes());
    assert_eq!(bench.take(), "", "the poll waits");
    bench.feed(b"");
    told + &format!("{:?}", bench.end)
}

fn websocket_story(bench: &mut Bench<'_, '_>) -> Vec<u8> {
    bench.feed(get("/socket.io/?EIO=4&transport=websocket", UPGRADE).as_bytes());
    let mut bytes = frame(1, b"40");
    bytes.extend(frame(9, b"there?"));
    bytes.extend(frame(1, b"42[\"a\",\"\xc3\xbc\"]"));
    bytes.extend(frame(10, b""));
    bytes.extend(frame(8, &[3, 0xe8]));
    bench.feed(&bytes);
    assert_eq!(bench.end, Some(End::Linger));
    assert_eq!(bench.lines.gone(0), Some(CloseReason::TransportClose));
    assert!(bench.lines.server().is_idle());
    core::mem::take(&mut bench.sent)
}

#[test]
fn it_does_not_matter_in_which_pieces_bytes_come_and_go() {
    let (whole, upgraded) = (with_bench(9_999, 9_999, long_story), with_bench(9_999, 9_999, websocket_story));
    for piece in [
        "200 OK\r\nETag: \"1\"\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nHelloHTTP/1.1 304",
        "\r\n\r\nok",
        "42[\"a\",1]\u{1e}42[\"b\",[2]]",
        "Some(Drop)",
    ] {
        assert!(whole.contains(piece), "{piece} in {whole}");
    }
    let text = String::from_utf8_lossy(&upgraded);
    assert!(text.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(text.contains("\u{6}there?") && text.contains("42[\"a\",\"\u{fc}\"]"), "{text}");
    assert!(upgraded.ends_with(&[0x88, 2, 3, 0xe8]));
    for (read_max, write_max) in [(1, 1), (2, 9_999), (3, 7), (9_999, 1), (13, 64), (64, 3)] {
        assert_eq!(with_bench(read_max, write_max, long_story), whole, "{read_max} and {write_max}");
        assert_eq!(with_bench(read_max, write_max, websocket_story), upgraded, "{read_max} and {write_max}");
    }
}

#[test]
fn an_unwanted_body_ends_a_connection_to_a_page() {
    with_bench(9_999, 9_999, |bench| {
        let told = story(bench);
        let answers: Vec<_> = told.lines().filter(|line| line.contains("HTTP/1.1")).collect();
        let expected = ["200 OK", "304 Not Modified", "404 Not Found", "405 Method Not Allowed"];
        assert_eq!(answers.len(), 4, "{told}");
        assert!(answers.iter().zip(expected).all(|(answer, status)| answer.ends_with(status)), "{answers:?}");
        assert_eq!(bench.end, Some(End::Linger));
    });
}

#[test]
fn heads_have_a_limit_in_length_and_in_time() {
    let table: [(&str, u64, &str); 5] = [
        (
            &format!("GET /{}", "x".repeat(PAYLOAD_BYTES + MESSAGE_OVERHEAD_BYTES)),
            0,
            "431 Request Header Fields Too Large",
        ),
        ("GET / HTTP/1.1\r\n\r\n", 0, "400 Bad Request"),
        ("GET / HTTP/1.1\r\n", 9_999, ""),
        ("GET / HTTP/1.1\r\n", 10_000, "408 Request Timeout"),
        ("\r\n", 10_000, "408 Request Timeout"),
    ];
    for (head, ms, status) in table {
        with_bench(9_999, 9_999, |bench| {
            bench.feed(head.as_bytes());
            bench.pass(ms);
            assert_eq!(
                bench.take().lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 "),
                status,
                "{head}"
            );
            assert_eq!(bench.end, (!status.is_empty()).then_some(End::Linger), "{head}");
        });
    }
    with_bench(9_999, 9_999, |bench| {
        bench.feed_nothing();
        assert_eq!(bench.connection.idle_since(), Some(Instant::from_ms(0)));
        bench.pass(10_000);
        assert_eq!((bench.take(), bench.end), (String::new(), Some(End::Linger)), "who says nothing is told nothing");
    });
}

#[test]
fn bodies_have_a_limit_in_length_and_in_time() {
    let long = "x".repeat(PAYLOAD_BYTES + 1);
    for chunked in [false, true] {
        with_bench(50, 50, |bench| {
            let target = format!("{POLLING}&sid={}", sid(bench));
            let (fields, body) = match chunked {
                false => (format!("Content-Length: {}", long.len()), long.clone()),
                true => ("Transfer-Encoding: chunked".to_string(), format!("c9\r\n{long}\r\n0\r\n\r\n")),
            };
            bench.feed(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}").as_bytes());
            let told = bench.take();
            assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
            bench.feed(get("/", "").as_bytes());
            assert!(bench.take().ends_with("Hello"), "the rest of the body is forgotten");
        });
    }
    with_bench(9_999, 9_999, |bench| {
        let target = format!("{POLLING}&sid={}", sid(bench));
        let expects = "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        bench.feed(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{expects}").as_bytes());
        assert_eq!(bench.take(), "HTTP/1.1 100 Continue\r\n\r\n");
        bench.feed(b"4");
        bench.pass(10_000);
        assert_eq!((bench.take(), bench.end), (String::new(), Some(End::Drop)));
        assert_eq!(bench.lines.server().sessions(), 0, "whoever cuts a body ends its session");
    });
}

#[test]
fn a_websocket_is_told_why_it_ends() {
    let table: [(&[u8], &[u8]); 4] = [
        (&[0x81, 1, b'4'], &[0x88, 2, 3, 0xea]),
        (&frame(1, &[b'4', 0xff]), &[0x88, 2, 3, 0xef]),
        (&frame(1, &[b'4'; PAYLOAD_BYTES + 1]), &[0x88, 2, 3, 0xf1]),
        (&frame(1, b"1"), &[0x88, 0]),
    ];
    for (bytes, last) in table {
        with_bench(9_999, 9_999, |bench| {
            bench.feed(get("/socket.io/?EIO=4&transport=websocket", UPGRADE).as_bytes());
            bench.feed(bytes);
            assert!(bench.sent.ends_with(last), "{bytes:?}: {:?}", bench.sent);
            assert_eq!(bench.end, Some(End::Linger));
            assert!(bench.lines.server().is_idle());
        });
    }
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    with_bench(9_999, 0, |bench| {
        let now = |ms| Now::monotonic(Instant::from_ms(ms));
        let cx = Context::from_waker(Waker::noop());
        let request = get("/socket.io/?EIO=4&transport=websocket", UPGRADE);
        bench.connection.spare()[..request.len()].copy_from_slice(request.as_bytes());
        bench.connection.received(&mut bench.lines, now(0), request.len());
        let until = Some(Instant::from_ms(30_000));
        let step = bench.connection.step(&mut bench.lines, now(0), &cx);
        assert_eq!(step, Step::Wait { read: false, write: true, until });
        assert_eq!(bench.connection.step(&mut bench.lines, now(30_000), &cx), Step::End(End::Drop));
        assert!(bench.lines.server().is_idle());
    });
}

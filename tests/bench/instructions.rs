//! Does one thing of those whose cost is kept, so many times, for a tool that counts instructions: `instructions echo 1000`.
//! The difference between two numbers of times is the cost; starting up is in both.
//!
//! The server has the host's memory and the application that the benchmarks measure. Its transport is in this process, time
//! stands still unless it is moved, and what is random comes from a seed: the same binary counts the same.

use core::hint::black_box;
use std::process::ExitCode;

use sprat::Io;
use sprat::memory::{Growing, Host, SharedFrames, resources};
use sprat_core::app::Message;
use sprat_core::memory::{Memory, Resources};
use sprat_core::time::{Instant, Now, UnixTime};
use sprat_core::wire::frame_check::FrameChecker;
use sprat_core::wire::http::{self, HeadStatus};
use sprat_core::wire::websocket::{accept_key, parse_header, unmask};
use sprat_core::{Answer, CloseReason, Input, Limits, OutgoingPacket, Output, RequestId, Server, TransportId};
use sprat_tests::chance::Chance;

#[path = "../../std-server/examples/contract.rs"]
#[expect(dead_code, reason = "its main is not ours")]
mod contract;

/// Clients of `delivery` and `heartbeat`.
const CLIENTS: u64 = 1_000;

/// The longest packet that [`masked`] makes.
const SHORT_LEN_MAX: usize = 125;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let Some(times) = args.next().and_then(|times| times.parse().ok()) else {
        eprintln!("usage: instructions echo|delivery|heartbeat|polling-echo|connect TIMES");
        return ExitCode::from(2);
    };
    match name.as_str() {
        "echo" => echo(times),
        "delivery" => delivery(times),
        "heartbeat" => heartbeat(times),
        "polling-echo" => polling_echo(times),
        "connect" => connect(times),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// A client asks and is acknowledged.
fn echo(times: u64) {
    let mut wire = Wire::new();
    let mut client = wire.connect();
    let ask = masked(r#"421["echo","0123456789abcdef"]"#);
    for _ in 0..times {
        wire.receive(&mut client, &ask);
        wire.expect_sent(1);
    }
}

/// One of [`CLIENTS`] gets what one of them sends to all.
fn delivery(times: u64) {
    let mut wire = Wire::new();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| wire.connect()).collect();
    let broadcast = masked(r#"42["broadcast","0123456789abcdef"]"#);
    for _ in 0..times.div_ceil(CLIENTS) {
        wire.receive(&mut clients[0], &broadcast);
        wire.expect_sent(CLIENTS);
    }
}

/// One of [`CLIENTS`], each with a time of its own, is asked whether it is there, and says so.
fn heartbeat(times: u64) {
    let mut wire = Wire::new();
    let interval_ms = wire.server.limits().ping_interval.as_ms();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(wire.connect());
        wire.pass(interval_ms / CLIENTS);
    }
    wire.expect_sent(1);
    let pong = masked("3");
    let mut turn = 0;
    for _ in 0..times {
        wire.receive(&mut clients[turn], &pong);
        turn = (turn + 1) % clients.len();
        wire.pass(interval_ms / CLIENTS);
        wire.expect_sent(1);
    }
}

/// A client over long polling asks and is acknowledged.
fn polling_echo(times: u64) {
    let mut wire = Wire::new();
    let opened = wire.request("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", 0);
    let opened = wire.answered(opened);
    let (_, sid) = opened.split_once("\"sid\":\"").expect("a session");
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", &sid[..20]);
    let get = format!("GET {target} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
    wire.post(&target, "40");
    let joined = wire.request(&get, 0);
    assert!(wire.answered(joined).starts_with("40{"));
    for _ in 0..times {
        let poll = wire.request(&get, 0);
        wire.post(&target, r#"421["echo","0123456789abcdef"]"#);
        assert_eq!(wire.answered(poll), r#"431["0123456789abcdef"]"#);
    }
}

/// A client comes over a WebSocket, joins, leaves and is gone.
fn connect(times: u64) {
    let mut wire = Wire::new();
    for _ in 0..times {
        let mut client = wire.connect();
        wire.receive(&mut client, &masked("41"));
        wire.input(Input::TransportLost { transport: client.transport, reason: CloseReason::TransportClose });
        assert_eq!(wire.server.sessions(), 0);
    }
}

/// The host's memory, but for what is random.
#[derive(Debug)]
struct Seeded;

impl Memory for Seeded {
    type Table<T: core::fmt::Debug + 'static> = Growing<T>;
    type Frames = SharedFrames;
    type Entropy = Chance;
}

fn seeded(limits: &Limits) -> Resources<Seeded> {
    let host: Resources<Host> = resources(limits, 1_000);
    Resources {
        sessions: host.sessions,
        sessions_index: host.sessions_index,
        sockets: host.sockets,
        sockets_index: host.sockets_index,
        rooms: host.rooms,
        rooms_index: host.rooms_index,
        room_changes: host.room_changes,
        memberships: host.memberships,
        entries: host.entries,
        acks: host.acks,
        timers: host.timers,
        timers_order: host.timers_order,
        recent: host.recent,
        frames: host.frames,
        entropy: Chance::new(1),
    }
}

/// A WebSocket and what was sent on it in part.
struct Client {
    transport: TransportId,
    checker: FrameChecker,
    received: Vec<u8>,
}

/// The server and the transports of all its clients.
struct Wire {
    server: Server<Io, Seeded>,
    now: Now,
    requests: u32,
    answers: Vec<(RequestId, Answer)>,
    woken: Vec<TransportId>,
    /// What was sent last on any WebSocket.
    sent: Vec<u8>,
    /// Packets sent on WebSockets since this was looked at.
    packets: u64,
    body: String,
}

impl Wire {
    fn new() -> Self {
        let limits = Limits { clients_max: 2 * CLIENTS as u32, ..Limits::default() };
        let server = Server::new(contract::contract(), seeded(&limits), limits).expect("limits that make sense");
        let wall = Some(UnixTime::from_ms(1_700_000_000_000));
        Self {
            server,
            now: Now { instant: Instant::from_ms(0), wall },
            requests: 0,
            answers: Vec::new(),
            woken: Vec::new(),
            sent: Vec::new(),
            packets: 0,
            body: String::new(),
        }
    }

    /// Lets a client in and into `/`.
    fn connect(&mut self) -> Client {
        const HEAD: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let request = self.request(HEAD, 0);
        let Some(Answer::Upgrade { transport }) = self.take_answer(request) else { panic!("no WebSocket") };
        black_box(accept_key("dGhlIHNhbXBsZSBub25jZQ=="));
        self.send(transport);
        let mut client = Client { transport, checker: FrameChecker::new(u32::MAX, 1_000), received: Vec::new() };
        self.receive(&mut client, &masked("40"));
        self.expect_sent(2);
        client
    }

    /// Brings a frame of a client, and sends what follows from it.
    fn receive(&mut self, client: &mut Client, frame: &[u8]) {
        client.checker.check(frame).expect("a good frame");
        let header = parse_header(frame, true).expect("a good frame").expect("a whole one");
        client.received.clear();
        client.received.extend_from_slice(&frame[header.header_len..]);
        unmask(&mut client.received, header.masked.expect("a mask"), 0);
        let text = core::str::from_utf8(&client.received).expect("text");
        self.input(Input::Message { transport: client.transport, message: Message::Text(text) });
    }

    /// Lets time pass, and sends what follows from it.
    fn pass(&mut self, ms: u64) {
        self.now.instant = Instant::from_ms(self.now.instant.as_ms() + ms);
        self.input(Input::Tick);
    }

    /// Brings a request on connection number `line`; what comes of it is in [`Self::take_answer`].
    fn request(&mut self, bytes: &str, line: u32) -> RequestId {
        let Ok(HeadStatus::Complete { head, .. }) = http::parse(bytes.as_bytes()) else { panic!("no head: {bytes}") };
        self.requests += 1;
        let request = RequestId::new(line, self.requests);
        self.input(Input::Request { request, head: &head });
        request
    }

    /// Brings a POST, which is taken.
    fn post(&mut self, target: &str, body: &str) {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        let request = self.request(&head, 1);
        let Some(Answer::ReadBody { session }) = self.take_answer(request) else { panic!("a POST is refused") };
        self.input(Input::Body { request, session, body: body.as_bytes() });
        let answer = self.take_answer(request);
        assert_eq!(answer, Some(Answer::Ok));
        self.encode_head(Answer::Ok, 2);
    }

    /// The body of the answer to a poll.
    fn answered(&mut self, request: RequestId) -> &str {
        let Some(answer @ Answer::Packets { transport }) = self.take_answer(request) else { panic!("no packets") };
        self.body.clear();
        while let Some(outgoing) = self.server.next(transport, usize::MAX) {
            if !self.body.is_empty() {
                self.body.push('\u{1e}');
            }
            match outgoing.packet {
                OutgoingPacket::Static(text) => self.body.push_str(text),
                OutgoingPacket::Text(frame) => {
                    let text = self.server.frames().shared(frame);
                    self.body.push_str(core::str::from_utf8(&text).expect("text"));
                }
                OutgoingPacket::Binary(_) | OutgoingPacket::BinaryAsText(_) => panic!("nothing binary was sent"),
            }
        }
        self.encode_head(answer, self.body.len());
        self.input(Input::Flushed { transport });
        &self.body
    }

    fn encode_head(&mut self, answer: Answer, body_len: usize) {
        let response = answer.response(false).expect("something to answer");
        self.sent.clear();
        response.encode_head(body_len, true, &[], &mut |piece| self.sent.extend_from_slice(piece));
        black_box(&self.sent);
    }

    fn take_answer(&mut self, request: RequestId) -> Option<Answer> {
        let at = self.answers.iter().position(|(asked, _)| *asked == request)?;
        Some(self.answers.swap_remove(at).1)
    }

    /// Gives the server an input and carries out what follows.
    fn input(&mut self, input: Input<'_>) {
        self.server.handle(self.now, input);
        self.follow();
        while let Some(transport) = self.woken.pop() {
            self.send(transport);
        }
    }

    fn follow(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                // A parked poll says nothing yet; its answer comes under the same name.
                Output::Respond { answer: Answer::Park { .. }, .. } => {}
                Output::Respond { request, answer } => self.answers.push((request, answer)),
                Output::Wake { transport } => self.woken.push(transport),
                Output::Close { .. } | Output::Closed { .. } | Output::Opened { .. } => {}
            }
        }
    }

    /// Takes what waits for a WebSocket, as it would be written.
    fn send(&mut self, transport: TransportId) {
        self.sent.clear();
        while let Some(outgoing) = self.server.next(transport, usize::MAX) {
            self.packets += 1;
            match outgoing.packet {
                OutgoingPacket::Static(text) => self.sent.extend_from_slice(text.as_bytes()),
                OutgoingPacket::Text(frame) => {
                    let text = self.server.frames().text(frame);
                    self.sent.extend_from_slice(&text.framed());
                }
                OutgoingPacket::Binary(_) | OutgoingPacket::BinaryAsText(_) => panic!("nothing binary was sent"),
            }
        }
        black_box(&self.sent);
        self.server.handle(self.now, Input::Flushed { transport });
        self.follow();
    }

    /// # Panics
    /// If not so many packets were sent since the last time: then the count of instructions would be of something else.
    fn expect_sent(&mut self, packets: u64) {
        assert_eq!(core::mem::take(&mut self.packets), packets);
    }
}

/// A short text as a frame of a client.
fn masked(text: &str) -> Vec<u8> {
    assert!(text.len() <= SHORT_LEN_MAX);
    let key = [1, 2, 3, 4];
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend(key);
    let at = frame.len();
    frame.extend_from_slice(text.as_bytes());
    unmask(&mut frame[at..], key, 0);
    frame
}

//! Anything, in any order: no panic, no leak, and every client gets what is meant for it, once and in order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sprat_core::app::{Attachments, Message};
use sprat_core::memory::Resources;
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Input, Limits, Payload, SocketId, Target};
use sprat_tests::driver::{News, head, sid_of};
use sprat_tests::memory::{self, Memory};
use sprat_tests::{Answered, Bench, Body, Exchange, Frame, Line, Recorder};

/// Packets of clients: good, odd and wrong.
const PACKETS: &[&str] = &[
    "40",
    "40",
    r#"40{"token":1}"#,
    "40/custom,",
    "40/other,",
    "40/pending,",
    "40/refuse,",
    "40/nope,",
    "41",
    "41/custom,",
    "41/pending,",
    r#"42["echo",1]"#,
    r#"42["echo",1]"#,
    r#"427["echo",{"a":[1,2,3]}]"#,
    r#"42/custom,3["echo"]"#,
    r#"428["later"]"#,
    r#"42["x","abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"]"#,
    r#"451-["echo",{"_placeholder":true,"num":0}]"#,
    r#"452-["echo",{"_placeholder":true,"num":1}]"#,
    r#"461-0[{"_placeholder":true,"num":0}]"#,
    "bAQID",
    "bAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QA==",
    "430[]",
    "431[1]",
    "43/custom,0[]",
    "3",
    "3",
    "2",
    "2probe",
    "2probe",
    "5",
    "5",
    "6",
    "1",
    "0",
    "",
    "9",
    "42[",
    "42[null]",
    r#"42["disconnect"]"#,
    r#"44{"message":"x"}"#,
    "450-[]",
];

/// Something that happens. Numbers choose among the clients, connections and requests that there are.
#[derive(Clone, Debug)]
enum Step {
    Accept(usize),
    Acknowledge,
    Advance(u64),
    Ask(usize, u64),
    Binary(usize, usize),
    Broadcast { rooms: usize, volatile: bool, len: usize },
    BroadcastBinary,
    Disconnect(usize, bool),
    Drop(usize),
    Join(usize, usize),
    Later(usize),
    LeaveRoom(usize, usize),
    LoseLine(usize),
    LoseRequest(usize),
    OpenPolling,
    OpenWebSocket,
    Poll(usize),
    Probe(usize),
    Push(usize, Vec<usize>),
    Refuse(usize),
    SendBody(usize, usize),
    SetData(usize, usize),
    Stale(usize, usize),
    Stall(usize, bool),
    Tell(usize, usize),
    Text(usize, usize),
    Timer(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..64_usize;
    let packet = || 0..PACKETS.len();
    prop_oneof![
        1 => at().prop_map(Step::Accept),
        1 => Just(Step::Acknowledge),
        3 => prop_oneof![0..200_u64, 0..30_000_u64].prop_map(Step::Advance),
        1 => (at(), 0..30_000_u64).prop_map(|(at, ms)| Step::Ask(at, ms)),
        2 => (at(), 0..60_usize).prop_map(|(at, len)| Step::Binary(at, len)),
        3 => (at(), any::<bool>(), 0..120_usize)
            .prop_map(|(rooms, volatile, len)| Step::Broadcast { rooms, volatile, len }),
        1 => Just(Step::BroadcastBinary),
        1 => (at(), any::<bool>()).prop_map(|(at, close)| Step::Disconnect(at, close)),
        1 => at().prop_map(Step::Drop),
        2 => (at(), at()).prop_map(|(at, room)| Step::Join(at, room)),
        1 => at().prop_map(Step::Later),
        1 => (at(), at()).prop_map(|(at, room)| Step::LeaveRoom(at, room)),
        1 => at().prop_map(Step::LoseLine),
        1 => at().prop_map(Step::LoseRequest),
        3 => Just(Step::OpenPolling),
        3 => Just(Step::OpenWebSocket),
        6 => at().prop_map(Step::Poll),
        2 => at().prop_map(Step::Probe),
        6 => (at(), prop::collection::vec(packet(), 1..6)).prop_map(|(at, packets)| Step::Push(at, packets)),
        1 => at().prop_map(Step::Refuse),
        2 => (at(), packet()).prop_map(|(at, packet)| Step::SendBody(at, packet)),
        1 => (at(), 0..60_usize).prop_map(|(at, len)| Step::SetData(at, len)),
        2 => (at(), at()).prop_map(|(kind, at)| Step::Stale(kind, at)),
        2 => (at(), any::<bool>()).prop_map(|(at, stalled)| Step::Stall(at, stalled)),
        8 => (at(), 0..60_usize).prop_map(|(at, len)| Step::Tell(at, len)),
        10 => (at(), packet()).prop_map(|(at, packet)| Step::Text(at, packet)),
        1 => (0..60_000_u64).prop_map(Step::Timer),
    ]
}

/// What one client has seen.
#[derive(Default)]
struct Peer {
    sid: String,
    /// The ids of its sockets, and the last number that each was told.
    sockets: BTreeMap<String, u64>,
    /// Attachments that must come next, and until then nothing else.
    attachments: usize,
}

struct Chaos {
    bench: Bench,
    peers: Vec<Peer>,
    exchanges: Vec<(Exchange, usize)>,
    lines: Vec<(Line, usize)>,
    later: Vec<Exchange>,
    told: u64,
}

fn pick<T: Copy>(items: &[T], at: usize) -> Option<T> {
    (!items.is_empty()).then(|| items[at % items.len()])
}

impl Chaos {
    fn new(resources: Resources<Memory>, limits: Limits) -> Self {
        let bench = Bench::new(Recorder::default(), resources, limits);
        Self { bench, peers: Vec::new(), exchanges: Vec::new(), lines: Vec::new(), later: Vec::new(), told: 0 }
    }

    fn run(mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
            self.look();
        }
        // Everybody goes: connections break, those without any are forgotten in time.
        for (line, _) in self.lines.clone() {
            if !self.bench.is_closed(line) {
                self.bench.lose_line(line, CloseReason::TransportClose);
            }
        }
        self.bench.advance(120_000);
        assert!(self.bench.server().is_idle(), "something is left");
        let data = self.bench.enter(|app, _| {
            app.replies.clear();
            app.sockets.len()
        });
        assert_eq!((data, self.bench.frames_bytes()), (0, 0));
        assert_eq!(self.bench.opened, self.bench.closed.len());
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::OpenPolling => {
                let exchange = self.bench.get("/socket.io/?EIO=4&transport=polling");
                self.meet(exchange);
            }
            Step::OpenWebSocket => {
                let exchange = self.bench.upgrade("/socket.io/?EIO=4&transport=websocket");
                self.meet(exchange);
            }
            Step::Poll(at) => self.request(*at, |bench, sid| bench.poll(sid)),
            Step::Probe(at) => self.request(*at, |bench, sid| bench.probe(sid)),
            Step::Push(at, packets) => {
                let body = packets.iter().map(|packet| PACKETS[*packet]).collect::<Vec<_>>().join("\x1e");
                self.request(*at, |bench, sid| bench.push(sid, &body));
            }
            Step::Later(at) => {
                self.request(*at, |bench, sid| {
                    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
                    bench.request(&head("POST", &target, &[("Content-Length", "9")]), Body::Later)
                });
                self.later.extend(self.exchanges.last().map(|(exchange, _)| *exchange));
            }
            Step::SendBody(at, packet) => {
                if let Some(exchange) = pick(&self.later, *at)
                    && self.bench.answer(exchange).is_none()
                    && self.bench.session(exchange).is_some()
                {
                    self.bench.send_body(exchange, PACKETS[*packet].as_bytes());
                }
            }
            Step::LoseRequest(at) => {
                if let Some((exchange, _)) = pick(&self.exchanges, *at)
                    && self.bench.answer(exchange).is_none()
                    && self.bench.session(exchange).is_some()
                {
                    self.bench.lose_request(exchange);
                }
            }
            Step::LoseLine(_) | Step::Text(..) | Step::Binary(..) | Step::Stall(..) => self.on_line(step),
            Step::Advance(ms) => self.bench.advance(*ms),
            Step::Stale(kind, at) => self.stale(*kind, *at),
            Step::Accept(_)
            | Step::Acknowledge
            | Step::Ask(..)
            | Step::Broadcast { .. }
            | Step::BroadcastBinary
            | Step::Disconnect(..)
            | Step::Drop(_)
            | Step::Join(..)
            | Step::LeaveRoom(..)
            | Step::Refuse(_)
            | Step::SetData(..)
            | Step::Tell(..)
            | Step::Timer(_) => self.as_application(step),
        }
    }

    fn on_line(&mut self, step: &Step) {
        let (Step::LoseLine(at) | Step::Text(at, _) | Step::Binary(at, _) | Step::Stall(at, _)) = step else { return };
        let open: Vec<Line> =
            self.lines.iter().map(|(line, _)| *line).filter(|line| !self.bench.is_closed(*line)).collect();
        let Some(line) = pick(&open, *at) else { return };
        match step {
            Step::LoseLine(_) => self.bench.lose_line(line, CloseReason::TransportError),
            Step::Text(_, packet) => self.bench.send_text(line, PACKETS[*packet]),
            Step::Binary(_, len) => self.bench.send_binary(line, &vec![7; *len]),
            Step::Stall(_, stalled) => self.bench.stall(line, *stalled),
            _ => {}
        }
    }

    fn as_application(&mut self, step: &Step) {
        let sockets = self.bench.enter(|app, _| app.sockets.clone());
        let socket = |at: usize| pick(&sockets, at);
        match step {
            Step::Tell(at, len) => {
                let Some(socket) = socket(*at) else { return };
                self.tell(socket, *len);
            }
            Step::Acknowledge => {
                let Some(reply) = self.bench.enter(|app, _| app.replies.pop()) else { return };
                let _ = self.bench.enter(|_, context| context.acknowledge(reply, Payload::json("1")));
            }
            Step::Accept(at) | Step::Refuse(at) => {
                let Some(pending) = self.bench.enter(|app, _| pick(&app.pending, *at)) else { return };
                let accepts = matches!(step, Step::Accept(_));
                self.bench.enter(|_, context| {
                    if accepts { context.accept(pending) } else { context.refuse(pending, "no", Some("1")) }
                });
            }
            Step::Broadcast { rooms, volatile, len } => {
                let json = format!("\"{}\"", "x".repeat(*len));
                let names: &[&str] = [&[][..], &["a"], &["a", "b"], &["nobody"]][rooms % 4];
                let mut target = Target::all().rooms(names);
                if *volatile {
                    target = target.volatile();
                }
                let _ = self.bench.enter(|_, context| context.emit(target, "all", Payload::json(&json)));
            }
            Step::BroadcastBinary => {
                let payload = Payload { json: "", attachments: Attachments::Bytes(&[&[1, 2, 3], &[4]]) };
                let _ = self.bench.enter(|_, context| context.emit(Target::all(), "bin", payload));
            }
            Step::Timer(ms) => {
                let _ = self.bench.enter(|_, context| context.set_timer(Duration::from_ms(*ms), 1));
            }
            Step::Ask(at, ms) => {
                let (Some(socket), timeout) = (socket(*at), Some(Duration::from_ms(*ms))) else { return };
                let timeout = timeout.filter(|_| at % 2 == 0);
                let _ = self.bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), timeout));
            }
            Step::Disconnect(at, close) => {
                let Some(socket) = socket(*at) else { return };
                self.bench.enter(|_, context| context.disconnect(socket, *close));
            }
            Step::Drop(at) => {
                let Some(socket) = socket(*at) else { return };
                self.bench.enter(|_, context| context.drop_connection(socket));
            }
            Step::Join(at, room) | Step::LeaveRoom(at, room) => {
                let Some(socket) = socket(*at) else { return };
                let name = ["a", "b", "c", "a longer name"][room % 4];
                let joins = matches!(step, Step::Join(..));
                self.bench.enter(|_, context| {
                    if joins {
                        let _ = context.join(socket, name);
                    } else {
                        context.leave(socket, name);
                    }
                });
            }
            Step::SetData(at, len) => {
                let Some(socket) = socket(*at) else { return };
                let _ = self.bench.enter(|_, context| context.set_data(socket, &vec![1; *len]));
            }
            _ => {}
        }
    }

    /// Tells one socket, by its id, the next number.
    fn tell(&mut self, socket: SocketId, len: usize) {
        self.told += 1;
        let told = self.told;
        let _ = self.bench.enter(|_, context| {
            let Some(id) = context.socket_id(socket) else { return Ok(()) };
            let json = format!("\"{id}\",{told},\"{}\"", "x".repeat(len));
            context.emit(Target::socket(socket), "to", Payload::json(&json))
        });
    }

    /// Inputs that no driver would bring: about what is over, or never was.
    fn stale(&mut self, kind: usize, at: usize) {
        let line = pick(&self.lines, at).map(|(line, _)| line).filter(|line| self.bench.is_closed(*line));
        if let Some(line) = line {
            let transport = self.bench.transport(line);
            self.bench.input(match kind % 4 {
                0 => Input::Flushed { transport },
                1 => Input::Message { transport, message: Message::Text(PACKETS[kind % PACKETS.len()]) },
                2 => Input::Message { transport, message: Message::Binary(&[1]) },
                _ => Input::TransportLost { transport, reason: CloseReason::TransportClose },
            });
        }
        let exchange = pick(&self.exchanges, at).map(|(exchange, _)| exchange);
        if let Some(exchange) = exchange.filter(|exchange| self.bench.answer(*exchange).is_some())
            && let Some(session) = self.bench.session(exchange)
        {
            let request = self.bench.request_id(exchange);
            self.bench.input(match kind % 3 {
                0 => Input::Body { request, session, body: b"42[\"x\"]" },
                1 => Input::BodyTooLarge { request, session },
                _ => Input::RequestLost { request, session },
            });
        }
    }

    fn request(&mut self, at: usize, act: impl FnOnce(&mut Bench, &str) -> Exchange) {
        if self.peers.is_empty() {
            return;
        }
        let at = at % self.peers.len();
        let exchange = act(&mut self.bench, &self.peers[at].sid);
        self.exchanges.push((exchange, at));
        self.attach(exchange, at);
    }

    /// Somebody new.
    fn meet(&mut self, exchange: Exchange) {
        let peer = self.peers.len();
        self.peers.push(Peer::default());
        self.exchanges.push((exchange, peer));
        self.attach(exchange, peer);
    }

    fn attach(&mut self, exchange: Exchange, peer: usize) {
        if let Some(Answered::WebSocket(line)) = self.bench.answer(exchange) {
            self.lines.push((*line, peer));
        }
    }

    /// Looks at what came, and checks it.
    fn look(&mut self) {
        while let Some(news) = self.bench.news.pop_front() {
            match news {
                News::Answered(exchange) => {
                    let Some(&(_, peer)) = self.exchanges.iter().find(|(other, _)| *other == exchange) else { continue };
                    if let Some(Answered::Http(200, Some("text/plain; charset=UTF-8"), body)) = self.bench.answer(exchange)
                    {
                        for packet in body.clone().split('\x1e') {
                            self.packet(peer, &Frame::Text(packet.into()));
                        }
                    }
                }
                News::Closed(_) => {}
                News::Message(line) => {
                    let Some(&(_, peer)) = self.lines.iter().find(|(other, _)| *other == line) else { continue };
                    if let Some(frame) = self.bench.receive(line) {
                        self.packet(peer, &frame);
                    }
                }
            }
        }
    }

    fn packet(&mut self, at: usize, frame: &Frame) {
        let peer = &mut self.peers[at];
        let text = match frame {
            Frame::Text(text) if !text.starts_with('b') => text,
            Frame::Binary(_) | Frame::Text(_) => {
                peer.attachments = peer.attachments.checked_sub(1).expect("an attachment that was announced");
                return;
            }
        };
        match text.as_bytes() {
            // Only the end of the session may keep the rest of an event from its client.
            [b'1', ..] | [b'6', ..] | [b'3', ..] => return,
            _ => assert_eq!(peer.attachments, 0, "{text} between an announcement and its attachments"),
        }
        match text.as_bytes() {
            [b'0', ..] => {
                assert_eq!(peer.sid, "", "a second OPEN");
                peer.sid = sid_of(text);
            }
            [b'4', b'0', ..] => {
                let old = peer.sockets.insert(sid_of(text), 0);
                assert_eq!(old, None, "an id that is not new");
            }
            [b'4', b'5', count, ..] => peer.attachments = usize::from(count - b'0'),
            [b'4', b'6', count, ..] => peer.attachments = usize::from(count - b'0'),
            _ => {
                let Some((_, args)) = text.split_once("[\"to\",\"") else { return };
                let mut parts = args.split(['"', ',']);
                let (id, number) = (parts.next().expect("an id"), parts.nth(1).expect("a number"));
                let last = peer.sockets.get_mut(id).expect("an event for one of its own sockets");
                let number = number.parse().expect("a number");
                assert!(*last < number, "{number} after {last}");
                *last = number;
            }
        }
    }
}

fn limits() -> Limits {
    Limits { payload_bytes_max: 500, outbox_packets_max: 12, ..Limits::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_roomy_memory(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        Chaos::new(memory::sized::<32, 32, 16, 128, 256, 32, 256, 32_768, 0>(seed), limits()).run(&steps);
    }

    #[test]
    fn with_few_bytes(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        Chaos::new(memory::sized::<16, 16, 8, 32, 64, 8, 64, 1_000, 0>(seed), limits()).run(&steps);
    }

    #[test]
    fn with_few_frames(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        Chaos::new(memory::sized::<16, 16, 8, 32, 64, 8, 10, 8_192, 0>(seed), limits()).run(&steps);
    }

    #[test]
    fn with_few_entries(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        Chaos::new(memory::sized::<16, 16, 8, 32, 5, 8, 64, 8_192, 0>(seed), limits()).run(&steps);
    }

    #[test]
    fn with_few_of_everything_else(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        Chaos::new(memory::sized::<3, 2, 2, 3, 64, 1, 64, 8_192, 0>(seed), limits()).run(&steps);
    }

    #[test]
    fn with_next_to_nothing(steps in prop::collection::vec(step(), 1..150), seed in any::<u64>()) {
        Chaos::new(memory::sized::<2, 1, 1, 1, 2, 1, 4, 256, 0>(seed), limits()).run(&steps);
    }
}

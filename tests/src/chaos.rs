//! Anything, in any order: no panic, no leak, and every client gets what is meant for it, once and in order.

mod steps;

use std::collections::BTreeMap;

use sprat_core::app::{Attachments, Message};
use sprat_core::memory::{Memory, Resources};
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Input, Limits, Payload, SocketId, Target};
pub use steps::{AppStep, LineStep, Step, step};

use self::steps::PACKETS;
use crate::driver::{News, head, sid_of};
use crate::{Answered, Body, Driver, Exchange, Frame, Line, Recorder};

/// What one client has seen.
#[derive(Default)]
struct Peer {
    sid: String,
    /// The ids of its sockets, by namespace.
    sockets: BTreeMap<String, String>,
    /// Who it says that it is, in which namespace.
    claim: Option<(String, String)>,
    /// Attachments that must come next, and until then nothing else.
    attachments: usize,
}

/// What the client of one socket knows, whatever session it is on.
#[derive(Default)]
struct Life {
    /// Who came back as it has given up its old connection, whatever may still come over that one.
    owner: usize,
    namespace: String,
    pid: String,
    /// The last offset that its client knows.
    offset: String,
    heard: Vec<u64>,
}

/// A server, its clients, and what each of them should know.
pub struct Chaos<M: Memory> {
    bench: Driver<Recorder, M>,
    peers: Vec<Peer>,
    exchanges: Vec<(Exchange, usize)>,
    lines: Vec<(Line, usize)>,
    later: Vec<Exchange>,
    told: u64,
    /// What each socket was told.
    sent: BTreeMap<String, Vec<u64>>,
    lives: BTreeMap<String, Life>,
    /// Sockets that were connected once, and their ids.
    known: Vec<(SocketId, String)>,
    /// How many came back.
    recovered: usize,
}

fn pick<T: Copy>(items: &[T], at: usize) -> Option<T> {
    (!items.is_empty()).then(|| items[at % items.len()])
}

impl<M: Memory> Chaos<M> {
    /// Nobody is there yet.
    ///
    /// # Panics
    /// If the server refuses the limits.
    pub fn new(resources: Resources<M>, limits: Limits) -> Self {
        let bench = Driver::new(Recorder::default(), resources, limits);
        Self {
            bench,
            peers: Vec::new(),
            exchanges: Vec::new(),
            lines: Vec::new(),
            later: Vec::new(),
            told: 0,
            sent: BTreeMap::new(),
            lives: BTreeMap::new(),
            known: Vec::new(),
            recovered: 0,
        }
    }

    /// Does all of it, then everybody goes. Returns how many clients came back to what they had been.
    ///
    /// # Panics
    /// If a client gets what is not meant for it, or anything is left in the end.
    pub fn run(mut self, steps: &[Step]) -> usize {
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
        assert_eq!(data, 0);
        assert_eq!(self.bench.opened, self.bench.closed.len());
        if self.bench.server().limits().recovery_timeout.as_ms() == 0 {
            assert_eq!(self.bench.frames_bytes(), 0);
        }
        self.recovered
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
            Step::ComeBack(at, is_wrong) => self.come_back(*at, *is_wrong),
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
            Step::Line(at, step) => self.on_line(*at, step),
            Step::App(step) => self.as_application(step),
            Step::Advance(ms) => self.bench.advance(*ms),
            Step::Stale(kind, at) => self.stale(*kind, *at),
            Step::Slow(slow_polls) => self.bench.slow_polls = *slow_polls,
            Step::Finish(at) => {
                let exchanges = self.exchanges.iter().map(|(exchange, _)| *exchange);
                let sending: Vec<Exchange> = exchanges.filter(|exchange| self.bench.is_sending(*exchange)).collect();
                if let Some(exchange) = pick(&sending, *at) {
                    self.bench.finish_poll(exchange);
                }
            }
        }
    }

    fn on_line(&mut self, at: usize, step: &LineStep) {
        let lines = self.lines.iter().map(|(line, _)| *line);
        let open: Vec<Line> = lines.filter(|line| !self.bench.is_closed(*line)).collect();
        let Some(line) = pick(&open, at) else { return };
        match step {
            LineStep::Binary(len) => self.bench.send_binary(line, &vec![7; *len]),
            LineStep::Lose => self.bench.lose_line(line, CloseReason::TransportError),
            LineStep::Stall(stalled) => self.bench.stall(line, *stalled),
            LineStep::Text(packet) => {
                if PACKETS[*packet] == "5" {
                    self.finish_polls_of(line);
                }
                self.bench.send_text(line, PACKETS[*packet]);
            }
        }
    }

    /// A client says that its WebSocket takes over when all its polls are answered.
    fn finish_polls_of(&mut self, line: Line) {
        let peer = self.lines.iter().find(|(other, _)| *other == line).map(|(_, peer)| *peer);
        let own = self.exchanges.iter().filter(|(_, owner)| Some(*owner) == peer);
        let own: Vec<Exchange> = own.map(|(exchange, _)| *exchange).collect();
        for exchange in own {
            if self.bench.is_sending(exchange) {
                self.bench.finish_poll(exchange);
            }
        }
    }

    /// Somebody opens a new connection and says that it is one of those who were there.
    fn come_back(&mut self, at: usize, is_wrong: bool) {
        let ids: Vec<&String> = self.lives.keys().collect();
        let Some(id) = pick(&ids, at) else { return };
        let life = &self.lives[id];
        if life.pid.is_empty() || life.offset.is_empty() {
            return;
        }
        let offset = if is_wrong { "999999" } else { &life.offset };
        let namespace = if life.namespace == "/" { String::new() } else { format!("{},", life.namespace) };
        let connect = format!(r#"40{namespace}{{"pid":"{}","offset":"{offset}"}}"#, life.pid);
        let claimed = id.to_string();
        let claim = Some((life.namespace.clone(), claimed.clone()));
        let exchange = self.bench.upgrade("/socket.io/?EIO=4&transport=websocket");
        self.meet(exchange);
        let peer = self.peers.len() - 1;
        self.peers[peer].claim = claim;
        if let Some(Answered::WebSocket(line)) = self.bench.answer(exchange) {
            let line = *line;
            if let Some(life) = self.lives.get_mut(&claimed) {
                life.owner = peer;
            }
            self.bench.send_text(line, &connect);
        }
    }

    fn as_application(&mut self, step: &AppStep) {
        let sockets = self.bench.enter(|app, _| app.sockets.clone());
        let socket = |at: usize| pick(&sockets, at);
        match step {
            AppStep::Tell(at, len) => {
                // Also who is gone and may come back.
                let known: Vec<SocketId> = self.known.iter().map(|(socket, _)| *socket).collect();
                let Some(socket) = pick(&known, *at) else { return };
                self.tell(socket, *len);
            }
            AppStep::Acknowledge => {
                let Some(reply) = self.bench.enter(|app, _| app.replies.pop()) else { return };
                let _ = self.bench.enter(|_, context| context.acknowledge(reply, Payload::json("1")));
            }
            AppStep::Accept(at) | AppStep::Refuse(at) => {
                let Some(pending) = self.bench.enter(|app, _| pick(&app.pending, *at)) else { return };
                let accepts = matches!(step, AppStep::Accept(_));
                self.bench.enter(|_, context| {
                    if accepts { context.accept(pending) } else { context.refuse(pending, "no", Some("1")) }
                });
            }
            AppStep::Broadcast { rooms, volatile, len } => {
                let json = format!("\"{}\"", "x".repeat(*len));
                let names: &[&str] = [&[][..], &["a"], &["a", "b"], &["nobody"]][rooms % 4];
                let mut target = Target::all().rooms(names);
                if *volatile {
                    target = target.volatile();
                }
                let _ = self.bench.enter(|_, context| {
                    context.emit(target, if *volatile { "v" } else { "all" }, Payload::json(&json))
                });
            }
            AppStep::BroadcastBinary => {
                let payload = Payload { json: "", attachments: Attachments::Bytes(&[&[1, 2, 3], &[4]]) };
                let _ = self.bench.enter(|_, context| context.emit(Target::all(), "bin", payload));
            }
            AppStep::Timer(ms) => {
                let _ = self.bench.enter(|_, context| context.set_timer(Duration::from_ms(*ms), 1));
            }
            AppStep::Ask(at, ms) => {
                let (Some(socket), timeout) = (socket(*at), Some(Duration::from_ms(*ms))) else { return };
                let timeout = timeout.filter(|_| at % 2 == 0);
                let _ = self.bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), timeout));
            }
            AppStep::Disconnect(at, close) => {
                let Some(socket) = socket(*at) else { return };
                self.bench.enter(|_, context| context.disconnect(socket, *close));
            }
            AppStep::Drop(at) => {
                let Some(socket) = socket(*at) else { return };
                self.bench.enter(|_, context| context.drop_connection(socket));
            }
            AppStep::Join(at, room) | AppStep::Leave(at, room) => {
                let Some(socket) = socket(*at) else { return };
                let name = ["a", "b", "c", "a longer name"][room % 4];
                let joins = matches!(step, AppStep::Join(..));
                self.bench.enter(|_, context| {
                    if joins {
                        let _ = context.join(socket, name);
                    } else {
                        context.leave(socket, name);
                    }
                });
            }
            AppStep::SetData(at, len) => {
                let Some(socket) = socket(*at) else { return };
                let _ = self.bench.enter(|_, context| context.set_data(socket, &vec![1; *len]));
            }
        }
    }

    /// Tells one socket, by its id, the next number.
    fn tell(&mut self, socket: SocketId, len: usize) {
        self.told += 1;
        let number = self.told;
        let told = self.bench.enter(|_, context| {
            let id = context.socket_id(socket)?.to_string();
            let json = format!("\"{id}\",{number},\"{}\"", "x".repeat(len));
            context.emit(Target::socket(socket), "to", Payload::json(&json)).ok().map(|()| id)
        });
        if let Some(id) = told {
            self.sent.entry(id).or_default().push(number);
        }
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

    fn request(&mut self, at: usize, act: impl FnOnce(&mut Driver<Recorder, M>, &str) -> Exchange) {
        if self.peers.is_empty() {
            return;
        }
        let at = at % self.peers.len();
        if self.peers[at].sid.is_empty() {
            return;
        }
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
        let sockets = self.bench.enter(|app, context| {
            let named =
                app.sockets.iter().map(|socket| (*socket, context.socket_id(*socket).unwrap_or_default().to_string()));
            named.collect::<Vec<_>>()
        });
        for (socket, id) in sockets {
            if !self.known.iter().any(|(known, _)| *known == socket) {
                self.known.push((socket, id));
            }
        }
        while let Some(news) = self.bench.news.pop_front() {
            match news {
                News::Answered(exchange) => {
                    let Some(&(_, peer)) = self.exchanges.iter().find(|(other, _)| *other == exchange) else {
                        continue;
                    };
                    if let Some(Answered::Http(200, Some("text/plain; charset=UTF-8"), body)) =
                        self.bench.answer(exchange)
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
            [b'4', b'0', ..] => self.joined(at, text),
            [b'4', b'1', ..] => {
                peer.sockets.remove(&namespace_of(&text[2..]));
            }
            [b'4', b'2', ..] => self.event(at, text, &text[2..]),
            [b'4', b'5', count, ..] => {
                peer.attachments = usize::from(count - b'0');
                self.event(at, text, &text[4..]);
            }
            [b'4', b'6', count, ..] => peer.attachments = usize::from(count - b'0'),
            _ => {}
        }
    }

    fn joined(&mut self, at: usize, text: &str) {
        let (id, namespace, peer) = (sid_of(text), namespace_of(&text[2..]), &mut self.peers[at]);
        peer.sockets.insert(namespace.clone(), id.clone());
        let object: serde_json::Value =
            serde_json::from_str(&text[text.find('{').expect("an object")..]).expect("JSON");
        let pid = object["pid"].as_str().unwrap_or_default().to_string();
        if let Some(life) = self.lives.get(&id) {
            assert_eq!(life.heard, *self.sent.entry(id.clone()).or_default(), "nothing is missing");
            assert_eq!(peer.claim, Some((namespace.clone(), id)), "an id that is not new");
            assert_eq!((&life.namespace, &life.pid), (&namespace, &pid));
            self.recovered += 1;
        } else {
            self.lives.insert(id, Life { owner: at, namespace, pid, ..Life::default() });
        }
    }

    fn event(&mut self, at: usize, text: &str, rest: &str) {
        let (namespace, peer) = (namespace_of(rest), &self.peers[at]);
        let claimed = peer.claim.as_ref().filter(|claim| claim.0 == namespace).map(|claim| &claim.1);
        let id = peer.sockets.get(&namespace).or(claimed).expect("an event in a namespace that was joined");
        let life = self.lives.get_mut(id).expect("it was joined");
        if life.owner != at {
            return;
        }
        let list = &rest[rest.find('[').expect("a list")..];
        let list: serde_json::Value = serde_json::from_str(list).expect("JSON");
        let is_asked =
            rest.trim_start_matches(&namespace).trim_start_matches(',').starts_with(|c: char| c.is_ascii_digit());
        if !life.pid.is_empty() && !is_asked && list[0] != "v" {
            let last = list.as_array().and_then(|list| list.last()).expect("a list");
            life.offset = last.as_str().expect("an offset").to_string();
            life.offset.parse::<u64>().expect("an offset");
        }
        if list[0] == "to" {
            assert_eq!(list[1], id.as_str(), "{text} for one of somebody else's sockets");
            let number = list[2].as_u64().expect("a number");
            assert!(life.heard.last() < Some(&number), "{number} after {:?}", life.heard.last());
            life.heard.push(number);
        }
    }
}

/// The namespace that the rest of a packet begins with.
fn namespace_of(rest: &str) -> String {
    if rest.starts_with('/') { rest.split_once(',').map_or(rest, |(name, _)| name).into() } else { "/".into() }
}

/// Limits that are hit.
pub fn limits() -> Limits {
    Limits { payload_bytes_max: 500, outbox_packets_max: 12, ..Limits::default() }
}

/// The same, and clients may come back.
pub fn recovering() -> Limits {
    let recovery_timeout = Duration::from_ms(60_000);
    Limits {
        recovery_timeout,
        recovery_clients_max: 6,
        recovery_packets_max: 40,
        recovery_bytes_max: 4_000,
        ..limits()
    }
}

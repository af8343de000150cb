//! A client: what a browser's library does, as far as a server can tell.
//!
//! It decides what to send and understands what comes; [`crate::world`] carries it over the link.

use std::collections::{BTreeMap, VecDeque};

use sprat_core::wire::socket::{Body, Name, Packet, PacketLimits};
use sprat_core::wire::{base64, engine, json, payload};

use crate::driver::{Answered, Line, base64_packet, head, sid_of, websocket_head};

/// A message of Engine.IO, as it travels on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes.
    Binary(Vec<u8>),
    /// A packet as text.
    Text(String),
}

impl Frame {
    /// Its length in bytes.
    pub const fn len(&self) -> usize {
        match self {
            Self::Binary(bytes) => bytes.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Whether it has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which transports a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Long polling only.
    Polling,
    /// Long polling, then a WebSocket.
    Upgrade,
    /// A WebSocket only.
    WebSocket,
}

/// What a request of a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To begin a session over polling.
    Handshake,
    /// To wait for packets.
    Poll,
    /// To send packets.
    Post,
    /// A WebSocket, to begin a session or to take over from polling.
    WebSocket,
}

/// Something that a client does.
#[derive(Clone, Debug)]
pub enum Act {
    /// It closes its WebSocket.
    Close(Line),
    /// It sends a request.
    Request(Kind, String, Option<String>),
    /// It sends a message.
    Send(Line, Frame),
}

/// An event from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The namespace.
    pub namespace: String,
    /// The name, unescaped.
    pub name: String,
    /// The arguments, raw.
    pub args: String,
    /// The number of the acknowledgement that the server wants.
    pub id: Option<u64>,
    /// The binary values.
    pub attachments: Vec<Vec<u8>>,
}

/// Where a client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has been answered yet.
    Opening,
    /// It uses polling.
    Polling,
    /// It uses polling, and a WebSocket has been asked for or probed.
    Probing,
    /// The probe was answered: it waits for its last poll and POST.
    Pausing,
    /// It uses a WebSocket.
    WebSocket,
    /// The connection is gone.
    Gone,
}

/// A client.
#[derive(Debug)]
pub struct SimClient {
    /// Which transports it uses.
    pub plan: Plan,
    /// Whether it answers a PING.
    pub answers_pings: bool,
    /// Whether it asks again when a poll was answered.
    pub polls: bool,
    /// Where it is in its life.
    pub stage: Stage,
    /// Its sockets: the id in each namespace it has joined.
    pub sockets: BTreeMap<String, String>,
    /// The events it got.
    pub events: Vec<Got>,
    /// The acknowledgements it got: number, arguments, attachments.
    pub acks: Vec<(u64, String, Vec<Vec<u8>>)>,
    /// The CONNECT_ERRORs it got: namespace and data.
    pub errors: Vec<(String, String)>,
    /// The namespaces it was made to leave.
    pub left: Vec<String>,
    /// How many PINGs it got.
    pub pings: usize,
    sid: String,
    connect: String,
    line: Option<Line>,
    polling: bool,
    posting: bool,
    outgoing: VecDeque<Frame>,
    next_ack: u64,
    assembly: Option<(String, usize, Vec<Vec<u8>>)>,
}

impl SimClient {
    /// A client that will join `/` with this `auth`, a JSON object, or without one.
    pub fn new(plan: Plan, auth: Option<&str>) -> Self {
        Self {
            plan,
            answers_pings: true,
            polls: true,
            stage: Stage::Opening,
            sockets: BTreeMap::new(),
            events: Vec::new(),
            acks: Vec::new(),
            errors: Vec::new(),
            left: Vec::new(),
            pings: 0,
            sid: String::new(),
            connect: format!("40{}", auth.unwrap_or_default()),
            line: None,
            polling: false,
            posting: false,
            outgoing: VecDeque::new(),
            next_ack: 0,
            assembly: None,
        }
    }

    /// Its socket's id in `/`.
    ///
    /// # Panics
    /// If it has not joined.
    pub fn id(&self) -> &str {
        self.sockets.get("/").expect("a client that has joined")
    }

    /// The WebSocket it uses, or tries to.
    pub const fn line(&self) -> Option<Line> {
        self.line
    }

    /// Whether it has joined `/` and is still there.
    pub fn is_connected(&self) -> bool {
        self.stage != Stage::Gone && self.sockets.contains_key("/")
    }

    /// The arguments of all events of this name, in order.
    pub fn args_of(&self, name: &str) -> Vec<&str> {
        self.events.iter().filter(|event| event.name == name).map(|event| event.args.as_str()).collect()
    }

    /// Its first step.
    pub fn start(&mut self) -> Vec<Act> {
        vec![match self.plan {
            Plan::Polling | Plan::Upgrade => {
                Act::Request(Kind::Handshake, head("GET", "/socket.io/?EIO=4&transport=polling", &[]), None)
            }
            Plan::WebSocket => {
                Act::Request(Kind::WebSocket, websocket_head("/socket.io/?EIO=4&transport=websocket"), None)
            }
        }]
    }

    /// Sends the text of a Socket.IO packet, and its attachments.
    pub fn send(&mut self, packet: &str, attachments: &[&[u8]]) -> Vec<Act> {
        self.outgoing.push_back(Frame::Text(format!("4{packet}")));
        self.outgoing.extend(attachments.iter().map(|bytes| Frame::Binary(bytes.to_vec())));
        self.flush()
    }

    /// The number of another acknowledgement that it wants.
    pub const fn new_ack(&mut self) -> u64 {
        self.next_ack += 1;
        self.next_ack - 1
    }

    /// Says goodbye: over polling with a CLOSE packet, otherwise by closing the WebSocket.
    pub fn leave(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        match (self.stage, self.line) {
            (Stage::WebSocket, Some(line)) => acts.push(Act::Close(line)),
            (_, line) => {
                acts.extend(line.map(Act::Close));
                if !self.sid.is_empty() {
                    acts.push(self.post("1".into()));
                }
            }
        }
        self.stage = Stage::Gone;
        acts
    }

    /// A request has its answer.
    pub fn on_answer(&mut self, kind: Kind, answered: &Answered) -> Vec<Act> {
        match kind {
            Kind::Handshake | Kind::Poll => self.polling = false,
            Kind::Post => self.posting = false,
            Kind::WebSocket => {}
        }
        match (kind, answered) {
            (Kind::WebSocket, Answered::WebSocket(line)) => {
                self.line = Some(*line);
                if self.stage == Stage::Probing {
                    return vec![Act::Send(*line, Frame::Text("2probe".into()))];
                }
            }
            (Kind::WebSocket, _) if self.stage == Stage::Probing => self.stage = Stage::Polling,
            (Kind::Post, Answered::Http(200, ..)) => {}
            (Kind::Handshake | Kind::Poll, Answered::Http(200, _, body)) => {
                return self.on_body(kind, body);
            }
            _ => self.stage = Stage::Gone,
        }
        self.flush()
    }

    fn on_body(&mut self, kind: Kind, body: &str) -> Vec<Act> {
        let mut acts = Vec::new();
        for packet in payload::packets(body) {
            self.packet(packet);
        }
        if kind == Kind::Handshake && self.plan == Plan::Upgrade && self.stage == Stage::Polling {
            self.stage = Stage::Probing;
            let target = format!("/socket.io/?EIO=4&transport=websocket&sid={}", self.sid);
            acts.push(Act::Request(Kind::WebSocket, websocket_head(&target), None));
        }
        acts.extend(self.flush());
        acts
    }

    /// A message came on a WebSocket.
    pub fn on_frame(&mut self, frame: &Frame) -> Vec<Act> {
        match frame {
            Frame::Text(text) if text == "3probe" && self.stage == Stage::Probing => self.stage = Stage::Pausing,
            Frame::Text(text) => self.packet(text),
            Frame::Binary(bytes) => self.attachment(bytes.clone()),
        }
        self.flush()
    }

    /// A WebSocket was closed by the server.
    pub fn on_closed(&mut self) -> Vec<Act> {
        self.line = None;
        match self.stage {
            Stage::Probing | Stage::Pausing => self.stage = Stage::Polling,
            Stage::Opening | Stage::WebSocket => self.stage = Stage::Gone,
            Stage::Polling | Stage::Gone => {}
        }
        self.flush()
    }

    /// Sends what waits, as far as the transport allows.
    pub fn flush(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        if let (Stage::Pausing, Some(line), false, false) = (self.stage, self.line, self.polling, self.posting) {
            acts.push(Act::Send(line, Frame::Text("5".into())));
            self.stage = Stage::WebSocket;
        }
        match (self.stage, self.line) {
            (Stage::WebSocket, Some(line)) => acts.extend(self.outgoing.drain(..).map(|frame| Act::Send(line, frame))),
            (Stage::Polling | Stage::Probing, _) => {
                if !self.posting && !self.outgoing.is_empty() {
                    let packets: Vec<String> = self.outgoing.drain(..).map(as_text).collect();
                    acts.push(self.post(packets.join("\u{1e}")));
                }
                if !self.polling && self.polls {
                    self.polling = true;
                    acts.push(Act::Request(Kind::Poll, head("GET", &self.target(), &[]), None));
                }
            }
            _ => {}
        }
        acts
    }

    fn post(&mut self, body: String) -> Act {
        self.posting = true;
        let len = body.len().to_string();
        Act::Request(Kind::Post, head("POST", &self.target(), &[("Content-Length", &len)]), Some(body))
    }

    fn target(&self) -> String {
        format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid)
    }

    fn packet(&mut self, text: &str) {
        match engine::parse(text).expect("a packet of Engine.IO") {
            engine::Packet::Binary(text) => {
                let mut buffer = vec![0; base64::decoded_len_max(text.len())];
                let bytes = base64::decode(text, &mut buffer).expect("room").to_vec();
                self.attachment(bytes);
            }
            engine::Packet::Close => self.stage = Stage::Gone,
            engine::Packet::Message(text) => self.message(text),
            engine::Packet::Noop => {}
            engine::Packet::Open(_) => self.open(text),
            engine::Packet::Ping(_) => {
                self.pings += 1;
                if self.answers_pings {
                    self.outgoing.push_back(Frame::Text("3".into()));
                }
            }
            engine::Packet::Pong(_) | engine::Packet::Upgrade => panic!("a server does not send {text}"),
        }
    }

    fn open(&mut self, text: &str) {
        assert_eq!(self.stage, Stage::Opening, "a second OPEN");
        self.sid = sid_of(text);
        self.stage = if self.plan == Plan::WebSocket { Stage::WebSocket } else { Stage::Polling };
        let connect = self.connect.clone();
        self.outgoing.push_back(Frame::Text(connect));
    }

    fn message(&mut self, text: &str) {
        assert!(self.assembly.is_none(), "{text} between a binary packet and its attachments");
        let packet = Packet::parse(text, &PacketLimits::default()).expect("a packet of Socket.IO");
        match packet.body {
            Body::Event { attachments, .. } | Body::Ack { attachments, .. } if attachments > 0 => {
                self.assembly = Some((text.into(), attachments.into(), Vec::new()));
            }
            Body::Ack { .. }
            | Body::Connect { .. }
            | Body::ConnectError { .. }
            | Body::Disconnect
            | Body::Event { .. } => {
                self.dispatch(packet, Vec::new());
            }
        }
    }

    fn attachment(&mut self, bytes: Vec<u8>) {
        let (_, expected, attachments) = self.assembly.as_mut().expect("a binary packet before its attachments");
        attachments.push(bytes);
        if attachments.len() < *expected {
            return;
        }
        if let Some((text, _, attachments)) = self.assembly.take() {
            self.dispatch(Packet::parse(&text, &PacketLimits::default()).expect("it was parsed before"), attachments);
        }
    }

    fn dispatch(&mut self, packet: Packet<'_>, attachments: Vec<Vec<u8>>) {
        let namespace = packet.namespace.to_string();
        match packet.body {
            Body::Ack { id, args, .. } => self.acks.push((id.expect("an id"), args.into(), attachments)),
            Body::Connect { auth } => {
                let id = sid_of(auth.expect("an id"));
                let old = self.sockets.insert(namespace, id);
                assert_eq!(old, None, "joined twice");
            }
            Body::ConnectError { data } => self.errors.push((namespace, data.unwrap_or_default().into())),
            Body::Disconnect => {
                self.sockets.remove(&namespace).expect("only who has joined can be made to leave");
                self.left.push(namespace);
            }
            Body::Event { id, name, args, .. } => {
                assert!(self.sockets.contains_key(&namespace), "an event before CONNECT");
                let (Name::Raw(raw) | Name::Plain(raw)) = name else { panic!("an event without a name") };
                let name = json::unescaped_chars(raw).collect();
                self.events.push(Got { namespace, name, args: args.into(), id, attachments });
            }
        }
    }
}

fn as_text(frame: Frame) -> String {
    match frame {
        Frame::Binary(bytes) => base64_packet(&bytes),
        Frame::Text(text) => text,
    }
}

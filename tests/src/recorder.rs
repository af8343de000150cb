//! An application that writes down what it is told.

use sprat_core::app::{Attachment, Attachments, Connect, Message, Protocol, RoomChange};
use sprat_core::ids::{AckId, Reply, TimerId};
use sprat_core::{App, CloseReason, Context, Decision, Event, Limits, Payload, SessionId, SocketId, Target};

use crate::driver::Driver;
use crate::memory::{self, Memory};

/// A callback and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`App::on_ack`]: the arguments, and the bytes of the attachments.
    Ack(SocketId, AckId, String, Vec<Vec<u8>>),
    /// [`App::on_ack_timeout`].
    AckTimeout(SocketId, AckId),
    /// [`App::on_close`].
    Close(SessionId, CloseReason),
    /// [`App::on_connect`]: the namespace and the `auth`.
    Connect(String, Option<String>),
    /// [`App::on_connected`].
    Connected(SocketId),
    /// [`App::on_disconnect`].
    Disconnect(SocketId, CloseReason),
    /// [`App::on_disconnecting`], with the number of members of the room `room` at that moment.
    Disconnecting(SocketId, CloseReason, usize),
    /// [`App::on_event`]: the raw name, the arguments, the bytes of the attachments, whether it is to be acknowledged.
    Event(SocketId, String, String, Vec<Vec<u8>>, bool),
    /// [`App::on_message`].
    Message(SessionId, Result<String, Vec<u8>>),
    /// [`App::on_open`].
    Open(SessionId),
    /// [`App::on_room`]: the room, the socket, whether it joined, whether it was alone.
    Room(String, SocketId, bool, bool),
    /// [`App::on_room_changes_lost`].
    RoomChangesLost(u32),
    /// [`App::on_timer`].
    Timer(u64),
}

/// The application. What it does besides writing down:
///
/// - It has the namespaces `/`, `/custom`, `/other`, `/pending` (decided later) and `/refuse` (never).
/// - An event `echo` is acknowledged with its own arguments, or sent back if no acknowledgement is wanted.
/// - An event `all` is sent to everybody.
/// - An event `later` with an acknowledgement is kept in `replies`.
/// - With [`Protocol::EngineIo`] each message is sent back.
#[derive(Debug, Default)]
pub struct Recorder {
    /// What it was told, in order.
    pub calls: Vec<Call>,
    /// Acknowledgements that are still to be given.
    pub replies: Vec<Reply>,
    /// The sockets that are connected, in the order of their coming.
    pub sockets: Vec<SocketId>,
    /// The sockets whose connect is pending.
    pub pending: Vec<SocketId>,
    /// The protocol it speaks.
    pub protocol: Protocol,
}

impl Recorder {
    /// One for plain Engine.IO.
    pub fn of_engine() -> Self {
        Self { protocol: Protocol::EngineIo, ..Self::default() }
    }
}

/// A recorder on a server, driven by hand.
pub type Bench = Driver<Recorder, Memory>;

impl Bench {
    /// One with the default limits.
    pub fn plain() -> Self {
        Self::limited(Limits::default())
    }

    /// One with other limits.
    pub fn limited(limits: Limits) -> Self {
        Self::new(Recorder::default(), memory::roomy(7), limits)
    }

    /// What the application was told since this was asked last.
    pub fn calls(&mut self) -> Vec<Call> {
        self.enter(|app, _| core::mem::take(&mut app.calls))
    }

    /// The socket that came last.
    ///
    /// # Panics
    /// If none is connected.
    pub fn newest(&mut self) -> SocketId {
        self.enter(|app, _| *app.sockets.last().expect("a connected socket"))
    }

    /// The reasons for which sockets have left since the application's calls were asked for last.
    pub fn reasons(&mut self) -> Vec<&'static str> {
        let reason = |call| match call {
            Call::Disconnect(_, reason) => Some(reason.as_str()),
            Call::Ack(..)
            | Call::AckTimeout(..)
            | Call::Close(..)
            | Call::Connect(..)
            | Call::Connected(_)
            | Call::Disconnecting(..)
            | Call::Event(..)
            | Call::Message(..)
            | Call::Open(_)
            | Call::Room(..)
            | Call::RoomChangesLost(_)
            | Call::Timer(_) => None,
        };
        self.calls().into_iter().filter_map(reason).collect()
    }
}

impl App for Recorder {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn has_namespace(&mut self, name: &str) -> bool {
        ["/", "/custom", "/other", "/pending", "/refuse"].contains(&name)
    }

    fn on_connect(&mut self, _: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        self.calls.push(Call::Connect(connect.namespace.into(), connect.auth.map(Into::into)));
        match connect.namespace {
            "/pending" => {
                self.pending.push(socket);
                Decision::Pending
            }
            "/refuse" => Decision::Refuse { message: "not authorized", data: Some(r#"{"code":1}"#) },
            _ => Decision::Accept,
        }
    }

    fn on_connected(&mut self, _: &mut dyn Context, socket: SocketId) {
        self.sockets.push(socket);
        self.calls.push(Call::Connected(socket));
    }

    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: Event<'_>) {
        let Event { name, payload, reply } = event;
        let attachments = bytes(context, &payload);
        let raw = match name {
            sprat_core::app::Name::None => "",
            sprat_core::app::Name::Plain(name) | sprat_core::app::Name::Raw(name) => name,
        };
        self.calls.push(Call::Event(socket, raw.into(), payload.json.into(), attachments, reply.is_some()));
        match reply {
            Some(reply) if name.is("echo") => drop(context.acknowledge(reply, payload)),
            None if name.is("echo") => drop(context.emit(Target::socket(socket), "echo", payload)),
            None if name.is("all") => drop(context.emit(Target::all(), "all", payload)),
            Some(reply) if name.is("later") => self.replies.push(reply),
            Some(_) | None => {}
        }
    }

    fn on_ack(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId, payload: &Payload<'_>) {
        let attachments = bytes(context, payload);
        self.calls.push(Call::Ack(socket, ack, payload.json.into(), attachments));
    }

    fn on_ack_timeout(&mut self, _: &mut dyn Context, socket: SocketId, ack: AckId) {
        self.calls.push(Call::AckTimeout(socket, ack));
    }

    fn on_room(&mut self, _: &mut dyn Context, change: &RoomChange<'_>) {
        let RoomChange { room, socket, has_joined, is_only_member } = *change;
        self.calls.push(Call::Room(room.into(), socket, has_joined, is_only_member));
    }

    fn on_room_changes_lost(&mut self, _: &mut dyn Context, count: u32) {
        self.calls.push(Call::RoomChangesLost(count));
    }

    fn on_timer(&mut self, _: &mut dyn Context, _: TimerId, key: u64) {
        self.calls.push(Call::Timer(key));
    }

    fn on_disconnecting(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        // Who is leaving is no target any more; the others in the room can still be told.
        let others = context.count(Target::all().rooms(&["room"]));
        self.calls.push(Call::Disconnecting(socket, reason, others));
    }

    fn on_disconnect(&mut self, _: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        self.sockets.retain(|other| *other != socket);
        self.calls.push(Call::Disconnect(socket, reason));
    }

    fn on_open(&mut self, _: &mut dyn Context, session: SessionId) {
        self.calls.push(Call::Open(session));
    }

    fn on_message(&mut self, context: &mut dyn Context, session: SessionId, message: Message<'_>) {
        self.calls.push(Call::Message(
            session,
            match message {
                Message::Binary(bytes) => Err(bytes.into()),
                Message::Text(text) => Ok(text.into()),
            },
        ));
        let _ = context.send(session, message);
    }

    fn on_close(&mut self, _: &mut dyn Context, session: SessionId, reason: CloseReason) {
        self.calls.push(Call::Close(session, reason));
    }
}

fn bytes(context: &dyn Context, payload: &Payload<'_>) -> Vec<Vec<u8>> {
    let held: &[Attachment] = match payload.attachments {
        Attachments::Held(held) => held,
        Attachments::Bytes(_) | Attachments::None => &[],
    };
    held.iter().map(|attachment| context.attachment(*attachment).to_vec()).collect()
}

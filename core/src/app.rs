//! What an application is to the server, and the server to an application.

use crate::engine::session::CloseReason;
use crate::error::{CapacityError, PeerError};
use crate::frames::FrameId;
use crate::ids::{AckId, Reply, SessionId, SocketId, TimerId};
use crate::time::{Duration, Now};
pub use crate::wire::socket::Name;

/// Which protocol an application speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Plain messages: Engine.IO alone.
    EngineIo,
    /// Namespaces, events and acknowledgements: Socket.IO on top of Engine.IO.
    #[default]
    SocketIo,
}

/// An application: callbacks, each called once for what it is named after, one at a time.
///
/// A callback acts through its [`Context`], which never calls the application back: what it causes comes as a callback of
/// its own, later. None of them may block.
pub trait App {
    /// The protocol; asked when a session opens. Default: Socket.IO.
    fn protocol(&self) -> Protocol {
        Protocol::SocketIo
    }

    /// A message for every client, sent right behind the OPEN packet (Engine.IO server, option `initialPacket`). Default: none.
    fn initial_packet(&self) -> Option<&str> {
        None
    }

    /// Whether there is a namespace `name`, which begins with `/`. Default: only `/`.
    fn has_namespace(&mut self, name: &str) -> bool {
        name == "/"
    }

    /// A client wants to join a namespace. Until this is decided it gets no events. Default: it may.
    fn on_connect(&mut self, context: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        let _ = (context, socket, connect);
        Decision::Accept
    }

    /// A client that was cut off wants to be who it was, on another session (connection state recovery). [`Self::on_connect`] is
    /// not asked about it. [`Decision::Pending`] means that it may join as anybody else does: it starts anew. Default: it may
    /// (Socket.IO server, option `skipMiddlewares`).
    fn on_return(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        session: SessionId,
        connect: &Connect<'_>,
    ) -> Decision<'_> {
        let _ = (context, socket, session, connect);
        Decision::Accept
    }

    /// A client has joined a namespace and knows it: what the official server calls the `connection` event.
    fn on_connected(&mut self, context: &mut dyn Context, socket: SocketId) {
        let _ = (context, socket);
    }

    /// A client sent an event.
    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: Event<'_>) {
        let _ = (context, socket, event);
    }

    /// A socket joined or left a room; only with [`crate::Limits::room_changes_max`]. The room of its own, which is called
    /// like its id, is not told.
    fn on_room(&mut self, context: &mut dyn Context, change: &RoomChange<'_>) {
        let _ = (context, change);
    }

    /// So many changes of rooms were more than could be noted.
    fn on_room_changes_lost(&mut self, context: &mut dyn Context, count: u32) {
        let _ = (context, count);
    }

    /// A client acknowledged an event.
    fn on_ack(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId, payload: &Payload<'_>) {
        let _ = (context, socket, ack, payload);
    }

    /// A client did not acknowledge an event in time.
    fn on_ack_timeout(&mut self, context: &mut dyn Context, socket: SocketId, ack: AckId) {
        let _ = (context, socket, ack);
    }

    /// A timer that the application set is due.
    fn on_timer(&mut self, context: &mut dyn Context, timer: TimerId, key: u64) {
        let _ = (context, timer, key);
    }

    /// A socket is about to leave; it is still in its rooms.
    fn on_disconnecting(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let _ = (context, socket, reason);
    }

    /// A socket has left; its data can be read for the last time.
    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let _ = (context, socket, reason);
    }

    /// A client answered a PING (Engine.IO server, event `heartbeat`).
    fn on_heartbeat(&mut self, context: &mut dyn Context, session: SessionId) {
        let _ = (context, session);
    }

    /// A client has changed from long polling to a WebSocket (Engine.IO server, event `upgrade`).
    fn on_upgrade(&mut self, context: &mut dyn Context, session: SessionId) {
        let _ = (context, session);
    }

    /// With [`Protocol::EngineIo`]: a client is there.
    fn on_open(&mut self, context: &mut dyn Context, session: SessionId) {
        let _ = (context, session);
    }

    /// With [`Protocol::EngineIo`]: a client sent a message.
    fn on_message(&mut self, context: &mut dyn Context, session: SessionId, message: Message<'_>) {
        let _ = (context, session, message);
    }

    /// With [`Protocol::EngineIo`]: a client is gone.
    fn on_close(&mut self, context: &mut dyn Context, session: SessionId, reason: CloseReason) {
        let _ = (context, session, reason);
    }
}

/// A socket joined or left a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomChange<'a> {
    /// The room.
    pub room: &'a str,
    /// The socket, which may be gone by now.
    pub socket: SocketId,
    /// It joined; otherwise it left.
    pub has_joined: bool,
    /// It was alone: the room began with it, or ended.
    pub is_only_member: bool,
}

/// A message of Engine.IO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Bytes.
    Binary(&'a [u8]),
    /// Text.
    Text(&'a str),
}

/// A client's wish to join a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    /// The namespace, with its slash.
    pub namespace: &'a str,
    /// What the client sent as `auth`: a JSON object.
    pub auth: Option<&'a str>,
}

/// What becomes of a client's wish to join a namespace.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'a> {
    /// It joins.
    Accept,
    /// It is decided later, with [`Context::accept`] or [`Context::refuse`] and the same socket.
    Pending,
    /// It does not, and its client gets a `connect_error`.
    Refuse {
        /// Why, as text.
        message: &'a str,
        /// More about it, as JSON.
        data: Option<&'a str>,
    },
}

/// An event from a client.
#[derive(Debug)]
pub struct Event<'a> {
    /// The namespace it was sent to.
    pub name: Name<'a>,
    /// Its arguments.
    pub payload: Payload<'a>,
    /// Set if the client wants an acknowledgement; give it to [`Context::acknowledge`].
    pub reply: Option<Reply>,
}

/// The arguments of an event or an acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payload<'a> {
    /// JSON values separated by commas, as they stand in the packet; empty if there are none. In what comes from a client it
    /// is valid; in what an application sends, it must be. Placeholders refer to the attachments by number.
    pub json: &'a str,
    /// The binary values.
    pub attachments: Attachments<'a>,
}

impl<'a> Payload<'a> {
    /// Arguments without binary values: JSON values separated by commas.
    pub const fn json(json: &'a str) -> Self {
        Self { json, attachments: Attachments::None }
    }

    /// The arguments one by one, each as raw JSON.
    pub fn args(&self) -> crate::wire::json::Elements<'a> {
        crate::wire::json::elements(self.json)
    }
}

/// The binary values of a payload.
#[derive(Clone, Copy, Debug, Default)]
pub enum Attachments<'a> {
    /// Bytes of the application's.
    Bytes(&'a [&'a [u8]]),
    /// Bytes that the server holds, as in a payload from a client. [`Context::attachment`] reads them; to pass them on
    /// costs no copy.
    Held(&'a [Attachment]),
    /// There are none.
    #[default]
    None,
}

impl Attachments<'_> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Held(held) => held.len(),
            Self::None => 0,
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A binary value that the server holds while the callback that got it runs.
#[derive(Clone, Copy, Debug)]
pub struct Attachment(pub(crate) FrameId);

/// An event encoded ahead, to be sent any number of times. The server holds it until [`Context::discard`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it occupies memory until it is discarded"]
pub struct Prepared(pub(crate) FrameId);

/// Bytes that the server holds for the application, until [`Context::forget`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "they occupy memory until they are forgotten"]
pub struct Stored(pub(crate) FrameId);

/// Who is to get an event: a plain value, resolved when it is used. A socket that is meant twice gets it once.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Target<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) socket: Option<SocketId>,
    pub(crate) rooms: &'a [&'a str],
    pub(crate) except_rooms: &'a [&'a str],
    pub(crate) except: Option<SocketId>,
    pub(crate) volatile: bool,
    pub(crate) uncompressed: bool,
}

impl<'a> Target<'a> {
    /// Every socket of the namespace `/`.
    pub const fn all() -> Self {
        Self::namespace("/")
    }

    /// Every socket of a namespace.
    pub const fn namespace(namespace: &'a str) -> Self {
        Self {
            namespace,
            socket: None,
            rooms: &[],
            except_rooms: &[],
            except: None,
            volatile: false,
            uncompressed: false,
        }
    }

    /// One socket.
    pub const fn socket(socket: SocketId) -> Self {
        Self { socket: Some(socket), ..Self::all() }
    }

    /// Of those, only the members of at least one of these rooms. A socket's id is the name of a room of its own.
    pub const fn rooms(self, rooms: &'a [&'a str]) -> Self {
        Self { rooms, ..self }
    }

    /// Of those, no member of any of these rooms.
    pub const fn except_rooms(self, except_rooms: &'a [&'a str]) -> Self {
        Self { except_rooms, ..self }
    }

    /// Of those, not this socket.
    pub const fn except(self, socket: SocketId) -> Self {
        Self { except: Some(socket), ..self }
    }

    /// Only those whose transport could send it at once; the others never get it.
    pub const fn volatile(self) -> Self {
        Self { volatile: true, ..self }
    }

    /// Whether what it gets may be compressed, by a driver that does that; by default it may.
    pub const fn compress(self, compress: bool) -> Self {
        Self { uncompressed: !compress, ..self }
    }
}

/// What an application can do. Lent to each callback, and by [`crate::Server::enter`].
///
/// What is done to a socket that has left does nothing, unless the method says that it fails.
pub trait Context {
    /// The moment of this call.
    fn now(&self) -> Now;

    /// Fills `bytes` with random ones, fit for secrets.
    fn fill_entropy(&mut self, bytes: &mut [u8]);

    /// Sends an event. It is encoded once, however many get it. That a client cannot take it is that client's affair.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for the packet; then nobody gets it.
    fn emit(&mut self, target: Target<'_>, event: &str, payload: Payload<'_>) -> Result<(), CapacityError>;

    /// Sends an event to one socket and waits for its acknowledgement: [`App::on_ack`], or [`App::on_ack_timeout`] if
    /// there is a timeout and it passes.
    ///
    /// # Errors
    /// [`CapacityError::Acks`] if the client owes too many already, [`CapacityError::Frames`], [`CapacityError::Timers`],
    /// [`CapacityError::Gone`].
    fn emit_with_ack(
        &mut self,
        socket: SocketId,
        event: &str,
        payload: Payload<'_>,
        timeout: Option<Duration>,
    ) -> Result<AckId, CapacityError>;

    /// Sends an event to all who are meant, and waits for the acknowledgement of each: one packet, one number for all.
    ///
    /// `owed` is told of each before anything is sent. Returns how many there are. Those who cannot owe another one are left
    /// out and do not get the event.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for the packet; then nobody gets it.
    fn emit_with_acks(
        &mut self,
        target: Target<'_>,
        event: &str,
        payload: Payload<'_>,
        timeout: Option<Duration>,
        owed: &mut dyn FnMut(SocketId, AckId),
    ) -> Result<usize, CapacityError>;

    /// Acknowledges an event of a client.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for the packet.
    fn acknowledge(&mut self, reply: Reply, payload: Payload<'_>) -> Result<(), CapacityError>;

    /// Encodes an event for the namespace `/` ahead.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for the packet.
    fn prepare(&mut self, event: &str, json: &str) -> Result<Prepared, CapacityError>;

    /// Sends an event that was encoded ahead.
    fn send_prepared(&mut self, target: Target<'_>, prepared: &Prepared);

    /// Frees an event that was encoded ahead.
    fn discard(&mut self, prepared: Prepared);

    /// Keeps bytes where packets are kept, within the same bounds.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for them.
    fn store(&mut self, bytes: &[u8]) -> Result<Stored, CapacityError>;

    /// Bytes that were kept.
    fn stored(&self, stored: &Stored) -> &[u8];

    /// Frees bytes that were kept.
    fn forget(&mut self, stored: Stored);

    /// The bytes of a binary value from a client.
    fn attachment(&self, attachment: Attachment) -> &[u8];

    /// Adds a socket to a room. To be in it twice is to be in it once.
    ///
    /// # Errors
    /// [`CapacityError::Rooms`], [`CapacityError::Memberships`], [`CapacityError::Names`], [`CapacityError::Frames`],
    /// [`CapacityError::Gone`].
    fn join(&mut self, socket: SocketId, room: &str) -> Result<(), CapacityError>;

    /// Takes a socket out of a room.
    fn leave(&mut self, socket: SocketId, room: &str);

    /// Adds all who are meant to a room.
    ///
    /// # Errors
    /// As [`Self::join`], for the first that could not join; those before it have joined.
    fn join_all(&mut self, target: Target<'_>, room: &str) -> Result<(), CapacityError>;

    /// Takes all who are meant out of a room.
    fn leave_all(&mut self, target: Target<'_>, room: &str);

    /// Makes all who are meant leave their namespace; with `close`, ends their sessions as well.
    fn disconnect_all(&mut self, target: Target<'_>, close: bool);

    /// Makes a socket leave its namespace; with `close`, ends the client's session as well, in all its namespaces.
    fn disconnect(&mut self, socket: SocketId, close: bool);

    /// Ends the session of a socket at once: its client sees the connection break, and may come back.
    fn drop_connection(&mut self, socket: SocketId);

    /// Lets a socket join whose connect is pending.
    fn accept(&mut self, socket: SocketId);

    /// Refuses a socket whose connect is pending.
    fn refuse(&mut self, socket: SocketId, message: &str, data: Option<&str>);

    /// What a client did wrong, if that is why its session ends: to be asked in [`App::on_disconnecting`] and, where nobody comes
    /// back, in [`App::on_disconnect`] (Socket.IO server, `description` of `disconnect`, and the event `error`).
    fn problem(&self, session: SessionId) -> Option<PeerError>;

    /// How many sessions there are: clients that have a connection, in whatever namespaces (Engine.IO server, `clientsCount`).
    fn sessions(&self) -> usize;

    /// The session that a socket is on.
    fn session(&self, socket: SocketId) -> Option<SessionId>;

    /// Whether a socket's client is on long polling.
    fn is_polling(&self, socket: SocketId) -> bool;

    /// The namespace of a socket, with its slash; empty if the socket is gone.
    fn namespace(&self, socket: SocketId) -> &str;

    /// Tells the rooms that a socket has joined, the last first, until `visit` returns `false`. The room of its own, which is
    /// called like its id, is not among them.
    fn visit_rooms(&self, socket: SocketId, visit: &mut dyn FnMut(&str) -> bool);

    /// Whether a socket's client was cut off and came back with nothing lost (connection state recovery).
    fn is_recovered(&self, socket: SocketId) -> bool;

    /// The id by which clients know a socket, while it is connected.
    fn socket_id(&self, socket: SocketId) -> Option<&str>;

    /// The connected socket in a namespace that clients know by this id.
    fn find_socket(&mut self, namespace: &str, id: &str) -> Option<SocketId>;

    /// How many sockets a target means.
    fn count(&mut self, target: Target<'_>) -> usize;

    /// Tells the sockets that a target means, those that came last first, until `visit` returns `false`.
    fn visit(&mut self, target: Target<'_>, visit: &mut dyn FnMut(SocketId, &str, &[u8]) -> bool);

    /// The application's own data of a socket; empty at first.
    fn data(&self, socket: SocketId) -> &[u8];

    /// Replaces the application's own data of a socket.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for it, [`CapacityError::Gone`]. The old data stays then.
    fn set_data(&mut self, socket: SocketId, data: &[u8]) -> Result<(), CapacityError>;

    /// Sets a timer, which comes as [`App::on_timer`] with `key`.
    ///
    /// # Errors
    /// [`CapacityError::Timers`] if there are too many.
    fn set_timer(&mut self, after: Duration, key: u64) -> Result<TimerId, CapacityError>;

    /// Forgets a timer.
    fn cancel_timer(&mut self, timer: TimerId);

    /// With [`Protocol::EngineIo`]: sends a message to a client.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no memory for the packet.
    fn send(&mut self, session: SessionId, message: Message<'_>) -> Result<(), CapacityError>;

    /// With [`Protocol::EngineIo`]: ends a client's session when what is queued has been delivered.
    fn close(&mut self, session: SessionId);
}

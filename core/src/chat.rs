//! The chat: an application on [`Server`](crate::Server) that runs on a host and on a microcontroller alike.
//!
//! Its events are described in the project's README. The time of everything is the server's; a server without a clock says
//! `null` and how long it has been up. The last messages are kept as JSON, for whoever comes in later.

mod heard;
mod told;

use core::hash::Hasher;

use heapless::deque::DequeView;
use heapless::{Deque, String};
use serde::Serialize;

use self::heard::{Cleaned, clean, client_id};
use self::told::{Delivered, Failed, Hello, HelloLimits, Named, Presence, Said, Time, put, text, write, write_users};
use crate::app::{App, Connect, Context, Decision, Event, Payload, Prepared, Stored, Target};
use crate::engine::session::CloseReason;
use crate::error::CapacityError;
use crate::ids::{Reply, SocketId};
use crate::wire::base64;
use crate::wire::json;

/// What the chat allows.
#[derive(Clone, Copy, Debug)]
pub struct ChatLimits {
    /// Characters of a nickname, at most 32. A longer one is an error; at connect it is cut.
    pub name_chars_max: usize,
    /// Characters of a message. A longer one is an error. Its bytes, twice, must fit into half of the scratch memory.
    pub text_chars_max: usize,
    /// Bytes of all remembered messages. The oldest are forgotten.
    pub history_bytes_max: usize,
    /// People named in `hello`; the count tells of the others.
    pub users_shown_max: usize,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self { name_chars_max: 32, text_chars_max: 2_000, history_bytes_max: 256 << 10, users_shown_max: 100 }
    }
}

/// Memory of a chat: how many messages are remembered, for how many a repetition is noticed, and bytes to write JSON in.
#[derive(Debug)]
pub struct ChatMemory<const MESSAGES: usize, const RECENT: usize, const SCRATCH: usize> {
    history: Deque<Remembered, MESSAGES>,
    recent: Deque<Recent, RECENT>,
    scratch: [u8; SCRATCH],
}

impl<const MESSAGES: usize, const RECENT: usize, const SCRATCH: usize> ChatMemory<MESSAGES, RECENT, SCRATCH> {
    /// Empty memory, made at compile time.
    pub const fn new() -> Self {
        Self { history: Deque::new(), recent: Deque::new(), scratch: [0; SCRATCH] }
    }
}

impl<const MESSAGES: usize, const RECENT: usize, const SCRATCH: usize> Default
    for ChatMemory<MESSAGES, RECENT, SCRATCH>
{
    fn default() -> Self {
        Self::new()
    }
}

/// A message that is remembered, as JSON.
#[derive(Debug)]
struct Remembered {
    said: Stored,
    bytes: usize,
}

/// A message that was delivered lately; whoever sends it again gets the same answer.
#[derive(Debug)]
struct Recent {
    key: u64,
    number: u64,
    time: Time,
}

/// A nickname: at most 32 characters of at most 4 bytes.
type Name = String<128>;

/// The chat.
#[derive(Debug)]
pub struct Chat<'m> {
    limits: ChatLimits,
    history: &'m mut DequeView<Remembered>,
    history_bytes: usize,
    recent: &'m mut DequeView<Recent>,
    scratch: &'m mut [u8],
    next_message: u64,
    /// Distinguishes this run of the server in the ids of messages, and spreads the clients' ids.
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    name: [u8; 20],
    key: [u8; 16],
}

/// Why a client's wish was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    BadRequest,
    Busy,
    Empty,
    TooLong,
}

impl Refused {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Busy => "busy",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
        }
    }
}

impl From<CapacityError> for Refused {
    fn from(_: CapacityError) -> Self {
        Self::Busy
    }
}

impl<'m> Chat<'m> {
    /// A chat in which nothing has been said yet.
    pub fn new<const MESSAGES: usize, const RECENT: usize, const SCRATCH: usize>(
        memory: &'m mut ChatMemory<MESSAGES, RECENT, SCRATCH>,
        limits: ChatLimits,
    ) -> Self {
        Self {
            limits,
            history: &mut memory.history,
            history_bytes: 0,
            recent: &mut memory.recent,
            scratch: &mut memory.scratch,
            next_message: 1,
            run: None,
        }
    }

    /// Greets who came: who they are, who is there, what was said.
    fn hello(&mut self, context: &mut dyn Context, socket: SocketId) -> Result<(), Refused> {
        let time = Time::of(context.now());
        let (id, name) = identity(context, socket)?;
        let count = context.count(Target::all());
        let hello = Hello {
            id: &id,
            name: &name,
            time: time.text(),
            uptime_ms: time.uptime_ms(),
            count,
            limits: HelloLimits { name_chars: self.limits.name_chars_max, text_chars: self.limits.text_chars_max },
        };
        let len = serde_json_core::to_slice(&hello, self.scratch).map_err(|_| Refused::Busy)?;
        let len = write_users(context, self.limits.users_shown_max, self.scratch, len)?;
        context.emit(Target::socket(socket), "hello", Payload::json(text(self.scratch, len)))?;
        self.tell_history(context, socket);
        Ok(())
    }

    /// Tells who came what was said, in a few events: some clients take no more than 16 packets from one poll. Where memory
    /// is short for that, the rest of it is left out.
    fn tell_history(&mut self, context: &mut dyn Context, socket: SocketId) {
        const EVENTS_MAX: usize = 12;
        let each = self.history.iter().count().div_ceil(EVENTS_MAX).max(1);
        let (mut at, mut count) = (0, 0);
        for remembered in self.history.iter() {
            let said = context.stored(&remembered.said);
            let fits = at + 1 + said.len() <= self.scratch.len();
            if count > 0 && (count == each || !fits) {
                let told = context.emit(Target::socket(socket), "history", Payload::json(text(self.scratch, at)));
                if told.is_err() {
                    return;
                }
                (at, count) = (0, 0);
            }
            let said = context.stored(&remembered.said);
            let comma: &[u8] = if count > 0 { b"," } else { b"" };
            if put(self.scratch, &mut at, comma).and_then(|()| put(self.scratch, &mut at, said)).is_some() {
                count += 1;
            }
        }
        if count > 0 {
            let _ = context.emit(Target::socket(socket), "history", Payload::json(text(self.scratch, at)));
        }
    }

    /// Tells everybody else that somebody came or left.
    fn announce(&mut self, context: &mut dyn Context, socket: SocketId, event: &str) -> Result<(), Refused> {
        let time = Time::of(context.now());
        let (id, name) = identity(context, socket)?;
        let count = Some(context.count(Target::all()));
        let presence = Presence { id: &id, name: &name, time: time.text(), uptime_ms: time.uptime_ms(), count };
        let json = write(&presence, self.scratch)?;
        Ok(context.emit(Target::all().except(socket), event, Payload::json(json))?)
    }

    /// A client says something.
    fn message(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        payload: &Payload<'_>,
        reply: &mut Option<Reply>,
    ) -> Result<(), Refused> {
        let request = payload.args().next().ok_or(Refused::BadRequest)?;
        let said = json::member(request, "text").filter(|raw| raw.starts_with('"')).ok_or(Refused::BadRequest)?;
        let key = match json::member(request, "id") {
            None => None,
            Some(raw) => Some(self.key(context, client_id(raw)?)),
        };
        if let Some(recent) = self.recent.iter().find(|recent| Some(recent.key) == key) {
            let (number, time) = (recent.number, recent.time);
            return self.confirm(context, number, time, reply);
        }
        if json::unescaped_chars(said).take(self.limits.text_chars_max + 1).count() > self.limits.text_chars_max {
            return Err(Refused::TooLong);
        }
        let time = Time::of(context.now());
        let number = self.next_message;
        let (message, remembered) = self.encode(context, socket, said, number, time)?;
        self.next_message += 1;
        // The sender knows which of the messages is its own before it sees it come back.
        let confirmed = self.confirm(context, number, time, reply);
        context.send_prepared(Target::all(), &message);
        context.discard(message);
        self.remember(context, remembered);
        if let Some(key) = key {
            if self.recent.is_full() {
                self.recent.pop_front();
            }
            // There is room now, unless the memory has none at all.
            let _ = self.recent.push_back(Recent { key, number, time });
        }
        confirmed
    }

    /// Encodes a message for those who are there, and for those who come later.
    fn encode(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        said: &str,
        number: u64,
        time: Time,
    ) -> Result<(Prepared, Remembered), Refused> {
        let (from, name) = identity(context, socket)?;
        let id = self.message_id(context, number);
        let (text_buffer, json_buffer) = self.scratch.split_at_mut(self.scratch.len() / 2);
        let text = json::unescape(said, text_buffer).map_err(|_| Refused::TooLong)?.trim();
        if text.is_empty() {
            return Err(Refused::Empty);
        }
        let said = Said { id: &id, from: &from, name: &name, text, time: time.text(), uptime_ms: time.uptime_ms() };
        let json = write(&said, json_buffer).map_err(|_| Refused::TooLong)?;
        let message = context.prepare("message", json)?;
        match context.store(json.as_bytes()) {
            Ok(said) => Ok((message, Remembered { said, bytes: json.len() })),
            Err(error) => {
                context.discard(message);
                Err(error.into())
            }
        }
    }

    /// Acknowledges a message.
    fn confirm(
        &mut self,
        context: &mut dyn Context,
        number: u64,
        time: Time,
        reply: &mut Option<Reply>,
    ) -> Result<(), Refused> {
        let id = self.message_id(context, number);
        let delivered = Delivered { id: &id, time: time.text(), uptime_ms: time.uptime_ms() };
        answer(context, reply, &delivered, self.scratch)
    }

    /// Keeps a message for those who come later, and forgets the oldest that are too many.
    fn remember(&mut self, context: &mut dyn Context, remembered: Remembered) {
        if remembered.bytes > self.limits.history_bytes_max {
            return context.forget(remembered.said);
        }
        while self.history.is_full() || self.history_bytes + remembered.bytes > self.limits.history_bytes_max {
            let Some(oldest) = self.history.pop_front() else { break };
            self.history_bytes -= oldest.bytes;
            context.forget(oldest.said);
        }
        let bytes = remembered.bytes;
        match self.history.push_back(remembered) {
            Ok(()) => self.history_bytes += bytes,
            Err(remembered) => context.forget(remembered.said),
        }
    }

    /// A client chooses another nickname.
    fn rename(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        payload: &Payload<'_>,
        reply: &mut Option<Reply>,
    ) -> Result<(), Refused> {
        let raw = payload.args().next().filter(|raw| raw.starts_with('"')).ok_or(Refused::BadRequest)?;
        let Cleaned { name, cut } = clean(raw, self.limits.name_chars_max);
        if cut || name.is_empty() {
            return Err(if cut { Refused::TooLong } else { Refused::Empty });
        }
        context.set_data(socket, name.as_bytes())?;
        let time = Time::of(context.now());
        let (id, name) = identity(context, socket)?;
        let answered = answer(context, reply, &Named { name: &name }, self.scratch);
        let presence = Presence { id: &id, name: &name, time: time.text(), uptime_ms: time.uptime_ms(), count: None };
        let json = write(&presence, self.scratch)?;
        context.emit(Target::all(), "name", Payload::json(json))?;
        answered
    }

    fn run(&mut self, context: &mut dyn Context) -> &Run {
        self.run.get_or_insert_with(|| {
            let (mut name, mut key) = ([0; 15], [0; 16]);
            context.fill_entropy(&mut name);
            context.fill_entropy(&mut key);
            Run { name: base64::encode_id(&name), key }
        })
    }

    /// The id of a message: unique in this run and, by the run's random name, over restarts.
    fn message_id(&mut self, context: &mut dyn Context, number: u64) -> String<32> {
        use core::fmt::Write;
        let mut id = String::new();
        let name = self.run(context).name;
        // 8 characters, a dash and at most 20 digits: it always fits.
        let _ = write!(id, "{}-{number}", text(&name, 8));
        id
    }

    /// A number for a client's own id of a message. It is keyed, so that nobody can choose two that share one.
    fn key(&mut self, context: &mut dyn Context, id: &str) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.run(context).key);
        hasher.write(id.as_bytes());
        hasher.finish()
    }
}

impl App for Chat<'_> {
    fn on_connect(&mut self, context: &mut dyn Context, socket: SocketId, connect: &Connect<'_>) -> Decision<'_> {
        let chosen = connect.auth.and_then(|auth| json::member(auth, "name")).filter(|raw| raw.starts_with('"'));
        let Cleaned { mut name, .. } = chosen.map(|raw| clean(raw, self.limits.name_chars_max)).unwrap_or_default();
        if name.is_empty() {
            let id = context.socket_id(socket).unwrap_or_default();
            // 6 characters and 5 more: it always fits.
            let _ = name.push_str("guest-").and_then(|()| name.push_str(text(id.as_bytes(), 5)));
        }
        match context.set_data(socket, name.as_bytes()) {
            Ok(()) => Decision::Accept,
            Err(_) => Decision::Refuse { message: "Server is full", data: None },
        }
    }

    fn on_connected(&mut self, context: &mut dyn Context, socket: SocketId) {
        if self.hello(context, socket).is_err() {
            // Without its greeting a client knows nothing; it comes back when there is memory again.
            return context.drop_connection(socket);
        }
        // That memory is short for the others is not this client's affair.
        let _ = self.announce(context, socket, "online");
    }

    fn on_event(&mut self, context: &mut dyn Context, socket: SocketId, event: Event<'_>) {
        let Event { name, payload, mut reply } = event;
        let done = if name.is("message") {
            self.message(context, socket, &payload, &mut reply)
        } else if name.is("name") {
            self.rename(context, socket, &payload, &mut reply)
        } else {
            Err(Refused::BadRequest)
        };
        if let Err(refused) = done {
            let _ = answer(context, &mut reply, &Failed { error: refused.as_str() }, self.scratch);
        }
    }

    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, _reason: CloseReason) {
        let _ = self.announce(context, socket, "offline");
    }
}

/// A socket's id and nickname.
fn identity(context: &dyn Context, socket: SocketId) -> Result<(String<20>, Name), Refused> {
    let id = context.socket_id(socket).and_then(|id| String::try_from(id).ok()).ok_or(Refused::Busy)?;
    let name = core::str::from_utf8(context.data(socket)).ok();
    Ok((id, name.and_then(|name| Name::try_from(name).ok()).unwrap_or_default()))
}

fn answer(
    context: &mut dyn Context,
    reply: &mut Option<Reply>,
    value: &impl Serialize,
    buffer: &mut [u8],
) -> Result<(), Refused> {
    match reply.take() {
        Some(reply) => Ok(context.acknowledge(reply, Payload::json(write(value, buffer)?))?),
        None => Ok(()),
    }
}

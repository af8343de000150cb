//! Connection state recovery: a client that was cut off comes back as if nothing had happened.
//!
//! A client that may come back stays a member of its rooms as an *absent* socket, for some time and against a cap of its own.
//! The last events are kept with whom they were meant for, whoever got them; who comes back and says which one it got last
//! gets those after it that were meant for it. Memory that runs short is taken from here first: then the client starts anew,
//! which is what it had to expect without recovery.

use crate::app::Target;
use crate::engine::Engine;
use crate::engine::outbox::Delivery;
use crate::engine::session::CloseReason;
use crate::frames::{FrameId, Frames};
use crate::ids::{Sid, SocketId};
use crate::limits::Limits;
use crate::memory::{Memory, Storage};
use crate::socket::broadcast::Encoded;
use crate::socket::{Socket, SocketState, Sockets};
use crate::table::NONE;
use crate::time::Instant;
use crate::wire::json;

/// A part of an event that is kept: its text, or an attachment.
#[derive(Debug)]
pub struct Kept {
    number: u64,
    at: Instant,
    frame: FrameId,
    /// The first part says for whom the event was; the others are attachments.
    meant_for: Option<MeantFor>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { number: 0, at: Instant::from_ms(0), frame: FrameId::new(NONE), meant_for: None }
    }
}

/// A target that outlives the call it was named in. Names are in frames, each preceded by its length.
#[derive(Clone, Copy, Debug)]
struct MeantFor {
    namespace: u32,
    socket: Option<SocketId>,
    except: Option<SocketId>,
    rooms: Option<FrameId>,
    except_rooms: Option<FrameId>,
}

/// The last events, oldest first, in a ring.
#[derive(Debug)]
pub(crate) struct Recent<S> {
    slots: S,
    max: usize,
    /// Where the oldest part is, as a count of parts that went before it.
    first: usize,
    end: usize,
    bytes: usize,
    next_number: u64,
    /// Events up to this number are not kept any more.
    forgotten: u64,
}

impl<S: Storage<Kept>> Recent<S> {
    pub(crate) fn new(slots: S, limits: &Limits) -> Self {
        let is_on = limits.recovery_timeout.as_ms() > 0;
        let max = if is_on { slots.limit().min(limits.recovery_packets_max as usize) } else { 0 };
        Self { slots, max, first: 0, end: 0, bytes: 0, next_number: 1, forgotten: 0 }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.max > 0
    }

    /// The number of the last event there was.
    pub(crate) const fn last_number(&self) -> u64 {
        self.next_number - 1
    }

    fn at(&self, position: usize) -> &Kept {
        &self.slots[position % self.max]
    }

    /// Forgets the oldest event. Returns whether there was one.
    pub(crate) fn forget_oldest(&mut self, frames: &mut impl Frames) -> bool {
        if self.first == self.end {
            return false;
        }
        let number = self.at(self.first).number;
        while self.first != self.end && self.at(self.first).number == number {
            let kept = core::mem::take(&mut self.slots[self.first % self.max]);
            self.bytes -= frames.bytes(kept.frame).len();
            frames.release(kept.frame);
            let names = kept.meant_for.map(|meant_for| [meant_for.rooms, meant_for.except_rooms]);
            for names in names.into_iter().flatten().flatten() {
                self.bytes -= frames.bytes(names).len();
                frames.release(names);
            }
            self.first += 1;
        }
        self.forgotten = number;
        true
    }

    fn push(&mut self, kept: Kept) {
        let place = self.end % self.max;
        if place < self.slots.len() {
            self.slots[place] = kept;
        } else if self.slots.grow(kept).is_err() {
            return;
        }
        self.end += 1;
    }
}

impl<M: Memory> Sockets<M> {
    /// The offset of the next event, as clients are told; `None` where events are not kept.
    pub(crate) fn next_offset(&self, is_volatile: bool) -> Option<u64> {
        (self.engine.recent.is_on() && !is_volatile).then_some(self.engine.recent.next_number)
    }

    /// Keeps an event for those who come back. What cannot be kept leaves a gap that nobody can come back over.
    pub(crate) fn keep(&mut self, target: &Target<'_>, namespace: u32, encoded: &Encoded) {
        let rooms = self.keep_names(target.rooms);
        let except_rooms = self.keep_names(target.except_rooms);
        let engine = &mut self.engine;
        let number = engine.recent.next_number;
        engine.recent.next_number += 1;
        let parts = 1 + encoded.attachments.len();
        let names = [rooms, except_rooms].map(Result::unwrap_or_default);
        let frames = encoded.attachments.iter().chain([&encoded.text]).chain(names.iter().flatten());
        let bytes: usize = frames.map(|frame| engine.frames.bytes(*frame).len()).sum();
        engine.make_room_for_recent(parts, bytes);
        let fits = parts <= engine.recent.max && bytes <= engine.limits.recovery_bytes_max as usize;
        if !fits || rooms.is_err() || except_rooms.is_err() {
            for names in names.into_iter().flatten() {
                engine.frames.release(names);
            }
            while engine.recent.forget_oldest(&mut engine.frames) {}
            engine.recent.forgotten = number;
            return;
        }
        engine.recent.bytes += bytes;
        let [rooms, except_rooms] = names;
        let meant_for = MeantFor { namespace, socket: target.socket, except: target.except, rooms, except_rooms };
        let at = engine.now.instant;
        engine.frames.retain(encoded.text);
        engine.recent.push(Kept { number, at, frame: encoded.text, meant_for: Some(meant_for) });
        for frame in &encoded.attachments {
            engine.frames.retain(*frame);
            engine.recent.push(Kept { number, at, frame: *frame, meant_for: None });
        }
    }

    fn keep_names(&mut self, names: &[&str]) -> Result<Option<FrameId>, crate::error::CapacityError> {
        if names.is_empty() {
            return Ok(None);
        }
        let encoded = self.engine.insert_encoded(&mut |put| {
            for name in names {
                put(&(name.len() as u32).to_le_bytes());
                put(name.as_bytes());
            }
        });
        encoded.map(Some)
    }

    /// The socket that a client claims to be, and the offset of the last event that it got.
    pub(crate) fn claimed(&mut self, namespace: &str, auth: Option<&str>) -> Option<(u32, u64)> {
        if !self.engine.recent.is_on() {
            return None;
        }
        let auth = auth?;
        let pid = json::member(auth, "pid").and_then(json::plain)?;
        let offset = json::member(auth, "offset").and_then(json::plain)?.parse().ok()?;
        let hash = Sid::spread(pid.as_bytes());
        let same = |socket: &Socket| socket.pid.is_some_and(|own| own.as_str() == pid);
        let socket = self.by_id.find(&mut self.table, hash, same)?;
        (self.namespace_name(socket) == namespace).then_some((socket, offset))
    }

    /// Whether a socket's client is away and may come back.
    pub(crate) fn is_absent(&self, id: SocketId) -> bool {
        self.find(id).is_some_and(|socket| self.table[socket].state == SocketState::Absent)
    }

    /// Whether a socket that leaves for this reason may come back.
    pub(crate) fn may_come_back(&self, socket: u32, reason: CloseReason) -> bool {
        let is_recoverable = match reason {
            CloseReason::ForcedClose
            | CloseReason::ForcedServerClose
            | CloseReason::OutboxFull
            | CloseReason::PingTimeout
            | CloseReason::ServerShuttingDown
            | CloseReason::Stalled
            | CloseReason::TransportClose
            | CloseReason::TransportError => true,
            CloseReason::ClientNamespaceDisconnect
            | CloseReason::ParseError
            | CloseReason::ServerNamespaceDisconnect => false,
        };
        is_recoverable && self.engine.recent.is_on() && self.table[socket].namespace != NONE
    }

    /// A socket whose client may come back: off its session, still in its rooms.
    pub(crate) fn make_absent(&mut self, socket: u32) {
        if self.absent.count >= self.engine.limits.recovery_clients_max {
            self.forget_longest_absent();
        }
        self.unlink_from_session(socket);
        self.drop_acks(socket);
        let until = self.engine.now.instant + self.engine.limits.recovery_timeout;
        let last = self.absent.last;
        let value = &mut self.table[socket];
        value.session = NONE;
        value.state = SocketState::Absent;
        value.absent = AbsentLink { previous: last, next: NONE, until };
        if last == NONE {
            self.absent.first = socket;
        } else {
            self.table[last].absent.next = socket;
        }
        self.absent.last = socket;
        self.absent.count += 1;
        self.rooms.count_absent(self.table[socket].namespace, true);
    }

    /// Takes a socket off the list of the absent.
    fn unlink_absent(&mut self, socket: u32) {
        let AbsentLink { previous, next, .. } = core::mem::take(&mut self.table[socket].absent);
        if previous == NONE {
            self.absent.first = next;
        } else {
            self.table[previous].absent.next = next;
        }
        if next == NONE {
            self.absent.last = previous;
        } else {
            self.table[next].absent.previous = previous;
        }
        self.absent.count -= 1;
        self.rooms.count_absent(self.table[socket].namespace, false);
    }

    /// A socket that does not come back any more.
    pub(crate) fn forget_absent(&mut self, socket: u32) {
        self.unlink_absent(socket);
        self.leave_all(socket);
        self.remove(socket);
    }

    /// Forgets the socket that has been absent for longest. Returns whether there was one.
    pub(crate) fn forget_longest_absent(&mut self) -> bool {
        let first = self.absent.first;
        if first != NONE {
            self.forget_absent(first);
        }
        first != NONE
    }

    /// Forgets one socket that has been absent too long. Returns whether there was one.
    pub(crate) fn expire_absent(&mut self) -> bool {
        self.absent_deadline().is_some_and(|until| until <= self.engine.now.instant) && self.forget_longest_absent()
    }

    /// When the next absent socket is forgotten.
    pub(crate) fn absent_deadline(&self) -> Option<Instant> {
        (self.absent.first != NONE).then(|| self.table[self.absent.first].absent.until)
    }

    /// Puts an absent socket on a new session, with what it missed; then its client is told. `false` if what it missed is not
    /// all there any more, or would not fit into its outbox: then nothing was done.
    pub(crate) fn resume(&mut self, socket: u32, session: u32, offset: u64) -> bool {
        let recent = &self.engine.recent;
        let oldest = recent.forgotten.max(self.table[socket].since);
        if !(oldest..recent.next_number).contains(&offset) || !self.fits_missed(socket, session, offset) {
            return false;
        }
        self.unlink_absent(socket);
        self.link_to_session(socket, session);
        self.table[socket].state = SocketState::Connected;
        self.table[socket].is_recovered = true;
        let mut position = self.engine.recent.first;
        while let Some((next, text, attachments)) = self.next_missed(socket, offset, position) {
            self.enqueue(session, text, &attachments, Delivery::default());
            position = next;
        }
        self.send_connected(socket);
        self.engine.connected(session);
        true
    }

    fn fits_missed(&self, socket: u32, session: u32, offset: u64) -> bool {
        let limits = &self.engine.limits;
        let (mut packets, mut bytes, mut position) = (1, 0, self.engine.recent.first);
        while let Some((next, text, attachments)) = self.next_missed(socket, offset, position) {
            packets += 1 + attachments.len();
            let frames = attachments.iter().chain([&text]);
            bytes += frames.map(|frame| self.engine.frames.bytes(*frame).len()).sum::<usize>();
            position = next;
        }
        let has_place = self.engine.sessions[session].sockets_count < limits.namespaces_by_session_max;
        has_place && packets <= limits.outbox_packets_max as usize && bytes <= limits.outbox_bytes_max as usize
    }

    /// The first event from `position` on that is after `offset` and was meant for a socket, and the position behind it.
    #[allow(clippy::type_complexity, reason = "one caller's three values, named by their use")]
    fn next_missed(
        &self,
        socket: u32,
        offset: u64,
        mut position: usize,
    ) -> Option<(usize, FrameId, heapless::Vec<FrameId, { Limits::ATTACHMENTS_CAP }, u8>)> {
        let recent = &self.engine.recent;
        while position < recent.end {
            let kept = recent.at(position);
            position += 1;
            let Some(meant_for) = &kept.meant_for else { continue };
            if kept.number <= offset || !self.was_meant(socket, meant_for) {
                continue;
            }
            let mut attachments = heapless::Vec::new();
            while position < recent.end && recent.at(position).number == kept.number {
                // No event has more of them than fit.
                let _ = attachments.push(recent.at(position).frame);
                position += 1;
            }
            return Some((position, kept.frame, attachments));
        }
        None
    }

    fn was_meant(&self, socket: u32, meant_for: &MeantFor) -> bool {
        let MeantFor { namespace, socket: single, except, rooms, except_rooms } = *meant_for;
        if self.table[socket].namespace != namespace || except == Some(self.id(socket)) {
            return false;
        }
        if let Some(single) = single {
            return single == self.id(socket);
        }
        !except_rooms.is_some_and(|names| self.is_in_any(socket, names))
            && rooms.is_none_or(|names| self.is_in_any(socket, names))
    }

    fn is_in_any(&self, socket: u32, names: FrameId) -> bool {
        let mut rest = self.engine.frames.bytes(names);
        while let Some((len, names)) = rest.split_first_chunk() {
            let Some((name, next)) = names.split_at_checked(u32::from_le_bytes(*len) as usize) else { return false };
            let is_own = self.table[socket].id.as_str().as_bytes() == name;
            if is_own || self.rooms.is_member_of(&self.table[socket], &self.engine.frames, name) {
                return true;
            }
            rest = next;
        }
        false
    }
}

impl<M: Memory> Engine<M> {
    /// Forgets the oldest events that are too many, too much or too old for `parts` and `bytes` more.
    fn make_room_for_recent(&mut self, parts: usize, bytes: usize) {
        loop {
            let recent = &self.recent;
            if recent.first == recent.end {
                return;
            }
            let is_old = recent.at(recent.first).at + self.limits.recovery_timeout < self.now.instant;
            let is_full = recent.end - recent.first + parts > recent.max
                || recent.bytes + bytes > self.limits.recovery_bytes_max as usize;
            if !is_old && !is_full {
                return;
            }
            self.recent.forget_oldest(&mut self.frames);
        }
    }
}

/// A socket's place among the absent, the longest absent first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AbsentLink {
    previous: u32,
    next: u32,
    until: Instant,
}

impl Default for AbsentLink {
    fn default() -> Self {
        Self { previous: NONE, next: NONE, until: Instant::from_ms(0) }
    }
}

/// The list of the absent.
#[derive(Debug)]
pub(crate) struct Absent {
    first: u32,
    last: u32,
    count: u32,
}

impl Absent {
    pub(crate) const fn new() -> Self {
        Self { first: NONE, last: NONE, count: 0 }
    }
}

//! What waits for one client, how much that may be, and what happens when it is more.
//!
//! An outbox is a chain of entries in a pool that all share: first those that the transport has taken from us but not yet
//! sent, then those that wait.

use crate::app::Target;
use crate::engine::Engine;
use crate::engine::session::{CloseReason, Pending, Poll, PollAnswer};
use crate::engine::state::State;
use crate::engine::timers::{TimerKind, Timers};
use crate::error::CapacityError;
use crate::frames::{FillBeside, FrameId, Frames};
use crate::ids::TransportId;
use crate::memory::Memory;
use crate::table::NONE;
use crate::time::{Duration, Instant};

/// A packet of the engine's own that always has the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Ping,
}

impl Control {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "2",
        }
    }
}

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Control(Control),
    /// An Engine.IO packet as text, its type digit included.
    Text(FrameId),
    /// The bytes of a MESSAGE; they travel without a type.
    Binary(FrameId),
}

/// How a packet is to be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// To nobody who cannot be sent it at once.
    pub(crate) volatile: bool,
    /// Without asking that it be compressed.
    pub(crate) uncompressed: bool,
}

impl Delivery {
    pub(crate) const fn of(target: &Target<'_>) -> Self {
        Self { volatile: target.volatile, uncompressed: target.uncompressed }
    }
}

/// A packet in an outbox.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    content: Content,
    next: u32,
    uncompressed: bool,
    /// The next entry belongs to the same event and follows it directly.
    more: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Self { content: Content::Control(Control::Ping), next: NONE, uncompressed: false, more: false }
    }
}

/// The outbox of one session.
#[derive(Debug)]
pub(crate) struct Outbox {
    head: u32,
    /// First entry that waits; those before it are on their way.
    waiting: u32,
    tail: u32,
    packets: u32,
    bytes: u32,
    /// More than half of what may wait does.
    is_crowded: bool,
    /// In which [`Crowd::period`] it became so.
    crowded_in: u16,
}

/// Where outboxes are more than half full, and when the last of their clients that took something is due to be closed for taking
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub(crate) outboxes: u32,
    stalled: Instant,
    /// Which [`PERIOD_MS`] it is, or was when an outbox became one of them, or no more.
    period: u64,
    /// How many of the outboxes became so in that period, and in the one before.
    lately: [u32; 2],
}

/// Who has had much to read for longer than one to two of these reads slowly.
const PERIOD_MS: u64 = 1_000;

impl Crowd {
    /// How many of the outboxes became so in this period, and in the one before.
    fn lately(&self, now: Instant) -> [u32; 2] {
        match (now.as_ms() / PERIOD_MS).saturating_sub(self.period) {
            0 => self.lately,
            1 => [0, self.lately[0]],
            _ => [0; 2],
        }
    }

    fn begin_period(&mut self, now: Instant) {
        self.lately = self.lately(now);
        self.period = self.period.max(now.as_ms() / PERIOD_MS);
    }

    /// Another one. Returns what it is known by.
    fn add(&mut self, now: Instant) -> u16 {
        self.begin_period(now);
        self.outboxes += 1;
        self.lately[0] += 1;
        self.period as u16
    }

    fn remove(&mut self, now: Instant, crowded_in: u16) {
        self.begin_period(now);
        self.outboxes -= 1;
        if let Some(lately) = self.lately.get_mut(usize::from((self.period as u16).wrapping_sub(crowded_in))) {
            *lately = lately.saturating_sub(1);
        }
    }
}

/// How far what clients say is ahead of what others take. Whoever brought a message asks for it ([`Server::pressure`]), and reads
/// on accordingly: see [`Server::is_crowded`].
///
/// [`Server::pressure`]: crate::Server::pressure
/// [`Server::is_crowded`]: crate::Server::is_crowded
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// What the message caused, if anything, is all that waits for whom it is for; or only its own client has more.
    #[default]
    None,
    /// Something waits for another client behind what is not sent yet.
    Behind,
    /// Something waits for a client for whom already more than half of what may wait does, or as much waits for all together.
    Crowded,
}

/// How long a client whose outbox is more than half full may take nothing before nobody waits for it any more.
const STALL_PATIENCE: Duration = Duration::from_ms(500);

impl Default for Outbox {
    fn default() -> Self {
        Self { head: NONE, waiting: NONE, tail: NONE, packets: 0, bytes: 0, is_crowded: false, crowded_in: 0 }
    }
}

impl Outbox {
    pub(crate) const fn is_empty(&self) -> bool {
        self.head == NONE
    }

    pub(crate) const fn has_waiting(&self) -> bool {
        self.waiting != NONE
    }

    const fn takes(&self, packets: u32, bytes: u32, limits: &crate::limits::Limits) -> bool {
        self.is_empty()
            || (self.packets.saturating_add(packets) <= limits.outbox_packets_max
                && (self.bytes <= limits.outbox_bytes_max / 2
                    || self.bytes.saturating_add(bytes) <= limits.outbox_bytes_max))
    }

    const fn is_over_half(&self, limits: &crate::limits::Limits) -> bool {
        self.packets > limits.outbox_packets_max / 2 || self.bytes > limits.outbox_bytes_max / 2
    }
}

/// A whole packet for a transport to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What to send.
    pub packet: OutgoingPacket,
    /// The next packet belongs to the same event: send nothing between them.
    pub more: bool,
    /// Whether it may be compressed, by a driver that does that (Socket.IO server, flag `compress`).
    pub compress: bool,
}

/// The bytes of a packet. On a WebSocket each is one message; in the body of a poll they are joined with U+001E, binary
/// ones as `b` and base64 (Engine.IO protocol, "Packet encoding").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingPacket {
    /// Binary, in this frame.
    Binary(FrameId),
    /// Binary, in this frame, for a client that wants it as text: `b` and base64 on a WebSocket too.
    BinaryAsText(FrameId),
    /// Text that is always the same.
    Static(&'static str),
    /// Text, in this frame.
    Text(FrameId),
}

/// What waits for a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Packets.
    pub packets: usize,
    /// Their length as the body of a poll, joined (Engine.IO protocol, "Packet encoding").
    pub body_bytes: usize,
}

impl<M: Memory> Engine<M> {
    /// Queues an event for a session: its first packet, then its attachments, nothing between them.
    ///
    /// A closed session takes it and forgets it. A session that cannot take it is closed, unless it is volatile.
    pub(crate) fn enqueue(&mut self, index: u32, first: Content, attachments: &[FrameId], delivery: Delivery) {
        if !self.sessions[index].is_open() || (delivery.volatile && !self.is_writable(index)) {
            return;
        }
        let sizes = attachments.iter().map(|frame| self.frames.bytes(*frame).len());
        let bytes = self.content_bytes(first) + sizes.sum::<usize>();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let packets = 1 + attachments.len() as u32;
        if !self.sessions[index].outbox.takes(packets, bytes, &self.limits) {
            return self.close(index, CloseReason::OutboxFull);
        }
        if !self.make_room_for_entries(packets) || !self.sessions[index].is_open() {
            return self.close(index, CloseReason::OutboxFull);
        }
        self.push(index, first, !attachments.is_empty(), delivery);
        for (at, frame) in attachments.iter().enumerate() {
            self.push(index, Content::Binary(*frame), at + 1 < attachments.len(), delivery);
        }
    }

    /// Queues a control packet. It has no bytes that could fill an outbox, and behind one that waits, another says nothing new.
    pub(crate) fn enqueue_control(&mut self, index: u32, control: Control) {
        let outbox = &self.sessions[index].outbox;
        if outbox.has_waiting() && self.entries[outbox.tail].content == Content::Control(control) {
            return;
        }
        if self.make_room_for_entries(1) && self.sessions[index].is_open() {
            self.push(index, Content::Control(control), false, Delivery::default());
        }
    }

    /// Whether the transport could send at once: nothing is queued, and over polling a GET waits.
    pub(crate) fn is_writable(&self, index: u32) -> bool {
        let session = &self.sessions[index];
        session.outbox.is_empty() && (!session.is_polling() || session.parked_poll().is_some())
    }

    /// Hands out the next packet of a transport, in the order in which they were queued.
    ///
    /// `budget_bytes` is what the transport can still take; a larger packet waits, unless nothing else is on its way.
    pub(crate) fn next(&mut self, transport: TransportId, budget_bytes: usize) -> Option<Outgoing> {
        let index = self.find_transport(transport)?;
        let session = &mut self.sessions[index];
        // The WebSocket may have taken over before it was sent its answer.
        if transport.lane != TransportId::POLLING && core::mem::take(&mut session.probe_answer_due) {
            return Some(Outgoing { packet: OutgoingPacket::Static("3probe"), more: false, compress: true });
        }
        if session.is_probe(transport.lane) {
            return None;
        }
        let at = session.outbox.waiting;
        if at == NONE {
            session.woken = false;
            return None;
        }
        let Entry { content, next, uncompressed, more } = self.entries[at];
        if session.outbox.head != at && self.content_bytes(content) > budget_bytes {
            return None;
        }
        let session = &mut self.sessions[index];
        session.outbox.waiting = next;
        let packet = match content {
            Content::Control(control) => OutgoingPacket::Static(control.as_str()),
            Content::Text(frame) => OutgoingPacket::Text(frame),
            Content::Binary(frame) if session.base64 => OutgoingPacket::BinaryAsText(frame),
            Content::Binary(frame) => OutgoingPacket::Binary(frame),
        };
        Some(Outgoing { packet, more, compress: !uncompressed })
    }

    /// Entries of all outboxes.
    pub(crate) fn queued(&self) -> usize {
        self.entries.live() as usize
    }

    /// Whether somebody has more than half of what may wait for one, or all together have, and it is worth waiting for: who has
    /// the most to answer for took something in the last half of a second.
    pub(crate) fn is_crowded(&self, now: Instant) -> bool {
        let has_moved = |deadline: Instant| now + self.limits.unread_timeout < deadline + STALL_PATIENCE;
        let longest = || self.timers.first_deadline(TimerKind::Stalled);
        (self.crowd.outboxes > 0 && has_moved(self.crowd.stalled))
            || (self.is_tight() && longest().is_some_and(has_moved))
    }

    /// How many have more than half of what may wait for one, and had not two seconds ago.
    pub(crate) fn crowded_lately(&self, now: Instant) -> u32 {
        self.crowd.lately(now).iter().sum()
    }

    /// Whether more than half of what may wait for all together does.
    fn is_tight(&self) -> bool {
        self.entries.live() > self.entries.max() / 2
            || self.frames.used_bytes() > self.limits.frames_bytes_max as usize / 8 * 5
    }

    /// Whether [`Self::next`] has a packet for a transport.
    pub(crate) fn has_waiting(&self, transport: TransportId) -> bool {
        self.find_transport(transport).is_some_and(|index| {
            let session = &self.sessions[index];
            let is_probe = session.is_probe(transport.lane);
            (session.probe_answer_due && transport.lane != TransportId::POLLING)
                || (!is_probe && session.outbox.has_waiting())
        })
    }

    /// What [`Self::next`] would hand out for a transport.
    pub(crate) fn waiting(&self, transport: TransportId) -> Waiting {
        let mut waiting = Waiting::default();
        let Some(index) = self.find_transport(transport) else { return waiting };
        let mut at = self.sessions[index].outbox.waiting;
        while at != NONE {
            let content = self.entries[at].content;
            let bytes = self.content_bytes(content);
            waiting.packets += 1;
            waiting.body_bytes += match content {
                Content::Binary(_) => 1 + crate::wire::base64::encoded_len(bytes),
                Content::Control(_) | Content::Text(_) => bytes,
            };
            at = self.entries[at].next;
        }
        // A separator stands between two.
        waiting.body_bytes += waiting.packets.saturating_sub(1);
        waiting
    }

    /// A transport has sent all that it took. One that probes took nothing of what is queued, and what polling took before a
    /// WebSocket came in its place is accounted for already.
    pub(crate) fn transport_flushed(&mut self, transport: TransportId) {
        if let Some(index) = self.find_transport(transport)
            && transport.lane == self.sessions[index].websocket
        {
            self.flushed(index);
        }
    }

    /// What is on its way has arrived: forget it.
    pub(crate) fn flushed(&mut self, index: u32) {
        self.sessions[index].sending = None;
        let mut taken = false;
        while self.sessions[index].outbox.head != self.sessions[index].outbox.waiting {
            self.pop(index);
            taken = true;
        }
        if taken && self.sessions[index].outbox.is_crowded {
            self.crowd.stalled = self.now.instant + self.limits.unread_timeout;
        }
        if self.sessions[index].outbox.is_empty() {
            // Whoever still holds a packet that is not complete keeps its place: to take something is not to give it back.
            self.release_memory(index);
            if self.sessions[index].state == State::Closing {
                self.close_drained(index);
            }
            return;
        }
        if taken {
            self.restart_stalled(index);
        }
        if self.sessions[index].is_polling() {
            self.announce(index);
        }
    }

    /// Drops all that is queued.
    pub(crate) fn discard(&mut self, index: u32) {
        while !self.sessions[index].outbox.is_empty() {
            self.pop(index);
        }
        self.sessions[index].outbox.waiting = NONE;
        self.timers.disarm(&mut self.sessions, index, TimerKind::Stalled);
    }

    /// Notes that a session holds memory that all share; since when decides who is closed when there is no more.
    pub(crate) fn occupy_memory(&mut self, index: u32) {
        if !Timers::is_armed(&self.sessions[index], TimerKind::Stalled) {
            self.restart_stalled(index);
        }
    }

    /// Gives a client that holds such memory the full time again, because it goes on.
    pub(crate) fn restart_stalled(&mut self, index: u32) {
        let deadline = self.now.instant + self.limits.unread_timeout;
        self.timers.arm(&mut self.sessions, index, TimerKind::Stalled, deadline);
    }

    /// Notes that a session holds no such memory any more, if that is so.
    pub(crate) fn release_memory(&mut self, index: u32) {
        let session = &self.sessions[index];
        if session.outbox.is_empty() && session.assembly.header.is_none() {
            self.timers.disarm(&mut self.sessions, index, TimerKind::Stalled);
        }
    }

    /// Stores a frame, closing those who hold up the pool if it is full.
    pub(crate) fn insert_frame(
        &mut self,
        len_max: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Result<FrameId, CapacityError> {
        self.insert_frame_beside(len_max, &[], &mut |buffer, _| fill(buffer))
    }

    /// As [`Self::insert_frame`], where `fill` reads the frames `beside`.
    pub(crate) fn insert_frame_beside(
        &mut self,
        len_max: usize,
        beside: &[FrameId],
        fill: &mut FillBeside<'_>,
    ) -> Result<FrameId, CapacityError> {
        if len_max > self.limits.frames_bytes_max as usize || !self.frames.could_hold(len_max) {
            return Err(CapacityError::Frames);
        }
        while !self.frames_have_room(len_max) {
            if self.recent.forget_oldest(&mut self.frames) {
                continue;
            }
            let stalled = self.timers.first(TimerKind::Stalled).ok_or(CapacityError::Frames)?;
            self.close(stalled, CloseReason::OutboxFull);
        }
        self.frames.insert_beside(len_max, beside, fill)
    }

    fn frames_have_room(&self, len: usize) -> bool {
        self.frames.has_room(len)
            && self.frames.used_bytes().saturating_add(len) <= self.limits.frames_bytes_max as usize
    }

    /// How many packets can be queued for all clients together.
    pub(crate) const fn entries_max(&self) -> u32 {
        self.entries.max()
    }

    pub(crate) fn make_room_for_entries(&mut self, count: u32) -> bool {
        if count > self.entries.max() {
            return false;
        }
        while !self.entries.has_room(count) {
            let Some(stalled) = self.timers.first(TimerKind::Stalled) else { return false };
            self.close(stalled, CloseReason::OutboxFull);
        }
        true
    }

    fn push(&mut self, index: u32, content: Content, more: bool, delivery: Delivery) {
        let entry = Entry { content, next: NONE, uncompressed: delivery.uncompressed, more };
        let Some(at) = self.entries.insert(entry) else { return };
        if let Content::Text(frame) | Content::Binary(frame) = content {
            self.frames.retain(frame);
        }
        let bytes = self.content_bytes(content) as u32;
        let outbox = &mut self.sessions[index].outbox;
        let (tail, was_empty) = (outbox.tail, outbox.is_empty());
        outbox.tail = at;
        outbox.packets += 1;
        outbox.bytes += bytes;
        if was_empty {
            outbox.head = at;
        }
        if outbox.waiting == NONE {
            outbox.waiting = at;
        }
        let is_new = !outbox.is_crowded && outbox.is_over_half(&self.limits);
        outbox.is_crowded |= is_new;
        let is_crowded = outbox.is_crowded;
        if was_empty {
            self.occupy_memory(index);
        } else {
            self.entries[tail].next = at;
        }
        if is_new {
            self.sessions[index].outbox.crowded_in = self.crowd.add(self.now.instant);
            let stalled = Timers::deadline_of(&self.sessions[index], TimerKind::Stalled);
            self.crowd.stalled = self.crowd.stalled.max(stalled);
        }
        if is_crowded || (!was_empty && self.is_tight()) {
            self.pressure = Pressure::Crowded;
        } else if !was_empty && index != self.heard {
            self.pressure = self.pressure.max(Pressure::Behind);
        }
        self.announce(index);
    }

    /// Tells the driver that packets wait, once.
    pub(crate) fn announce(&mut self, index: u32) {
        let session = &mut self.sessions[index];
        if !session.is_polling() {
            if !core::mem::replace(&mut session.woken, true) {
                self.mark(index, Pending::WAKE);
            }
        } else if session.sending.is_none()
            && let Some(request) = session.parked_poll()
        {
            session.poll = Poll::Due(request, PollAnswer::Packets);
            self.mark(index, Pending::default());
        }
    }

    fn pop(&mut self, index: u32) {
        let at = self.sessions[index].outbox.head;
        let entry = self.entries.remove(at);
        let bytes = self.content_bytes(entry.content) as u32;
        if let Content::Text(frame) | Content::Binary(frame) = entry.content {
            self.frames.release(frame);
        }
        let outbox = &mut self.sessions[index].outbox;
        outbox.head = entry.next;
        outbox.packets -= 1;
        outbox.bytes -= bytes;
        if outbox.head == NONE {
            outbox.tail = NONE;
        }
        if outbox.is_crowded && !outbox.is_over_half(&self.limits) {
            outbox.is_crowded = false;
            self.crowd.remove(self.now.instant, outbox.crowded_in);
        }
    }

    fn content_bytes(&self, content: Content) -> usize {
        match content {
            Content::Control(control) => control.as_str().len(),
            Content::Text(frame) | Content::Binary(frame) => self.frames.bytes(frame).len(),
        }
    }
}

//! Where everything lives. The driver owns all memory and lends it to the server.
//!
//! [`Fixed`] is made of heapless collections and named once, with its sizes, in a static; [`Fixed::lend`] turns it into
//! [`Resources`] that no longer know those sizes. A host may bring tables that grow instead ([`Storage`] says what they must do).

use core::ops::{Deref, DerefMut};

use heapless::Vec;
use heapless::vec::VecView;

use crate::engine::outbox::Entry;
use crate::engine::session::Session;
use crate::frames::{FixedFrames, Frames, Place};
use crate::rooms::{Membership, Room};
use crate::socket::Socket;
use crate::socket::acks::Ack;
use crate::socket::recovery::Kept;
use crate::socket::room_changes::Change;
use crate::table::Slot;
use crate::timers::Timer;

/// A table that can get longer up to some length, and never shorter.
pub trait Storage<T>: Deref<Target = [T]> + DerefMut {
    /// Puts `value` behind the last one.
    ///
    /// # Errors
    /// Gives `value` back when the table can get no longer.
    fn grow(&mut self, value: T) -> Result<(), T>;

    /// The length it can get to.
    fn limit(&self) -> usize;
}

/// Where random bytes come from. They must be fit for secrets: session ids are made of them.
pub trait Entropy {
    /// Fills `bytes` with random ones.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The kinds of tables, frames and entropy that a server works with.
pub trait Memory: Sized {
    /// A table of `T`.
    type Table<T: core::fmt::Debug + 'static>: Storage<T>;
    /// The store of frames.
    type Frames: Frames;
    /// The source of random bytes.
    type Entropy: Entropy;
}

/// All that a server uses, lent to it when it is made.
#[derive(Debug)]
pub struct Resources<M: Memory> {
    /// Sessions.
    pub sessions: M::Table<Slot<Session>>,
    /// Buckets of the look-up of sessions; filled by the server.
    pub sessions_index: M::Table<u32>,
    /// Sockets.
    pub sockets: M::Table<Slot<Socket>>,
    /// Buckets of the look-up of sockets; filled by the server.
    pub sockets_index: M::Table<u32>,
    /// Rooms; each namespace is one too.
    pub rooms: M::Table<Slot<Room>>,
    /// Buckets of the look-up of rooms; filled by the server.
    pub rooms_index: M::Table<u32>,
    /// Changes of memberships that the application has not been told yet.
    pub room_changes: M::Table<Change>,
    /// Memberships of sockets in rooms.
    pub memberships: M::Table<Slot<Membership>>,
    /// Entries of all outboxes.
    pub entries: M::Table<Slot<Entry>>,
    /// Outstanding acknowledgements.
    pub acks: M::Table<Slot<Ack>>,
    /// Deadlines of acknowledgements and of the application.
    pub timers: M::Table<Slot<Timer>>,
    /// The order of those deadlines.
    pub timers_order: M::Table<u32>,
    /// The last events, for clients that come back.
    pub recent: M::Table<Kept>,
    /// Encoded packets.
    pub frames: M::Frames,
    /// Random bytes.
    pub entropy: M::Entropy,
}

/// Memory of fixed size, all of it inside the value. Meant for a `static`.
///
/// | parameter | what it bounds |
/// | --- | --- |
/// | `CLIENTS` | sessions at once; a power of two spreads look-ups best |
/// | `SOCKETS` | memberships of sessions in namespaces; `CLIENTS` if there is only `/` |
/// | `ROOMS` | rooms and namespaces at once |
/// | `MEMBERSHIPS` | memberships of sockets in rooms, one each for its namespace included |
/// | `PACKETS` | packets in all outboxes together |
/// | `ACKS` | outstanding acknowledgements, and timers |
/// | `FRAMES` | different packets, names and socket data at once |
/// | `BYTES` | bytes of those, 8 for each added |
/// | `RECENT` | events kept for clients that come back; 0 if recovery is off |
#[derive(Debug)]
pub struct Fixed<
    const CLIENTS: usize,
    const SOCKETS: usize,
    const ROOMS: usize,
    const MEMBERSHIPS: usize,
    const PACKETS: usize,
    const ACKS: usize,
    const FRAMES: usize,
    const BYTES: usize,
    const RECENT: usize,
> {
    sessions: Vec<Slot<Session>, CLIENTS>,
    sessions_index: Vec<u32, CLIENTS>,
    sockets: Vec<Slot<Socket>, SOCKETS>,
    sockets_index: Vec<u32, SOCKETS>,
    rooms: Vec<Slot<Room>, ROOMS>,
    rooms_index: Vec<u32, ROOMS>,
    room_changes: Vec<Change, MEMBERSHIPS>,
    memberships: Vec<Slot<Membership>, MEMBERSHIPS>,
    entries: Vec<Slot<Entry>, PACKETS>,
    acks: Vec<Slot<Ack>, ACKS>,
    timers: Vec<Slot<Timer>, ACKS>,
    timers_order: Vec<u32, ACKS>,
    places: Vec<Place, FRAMES>,
    recent: Vec<Kept, RECENT>,
    bytes: [u8; BYTES],
}

impl<
    const CLIENTS: usize,
    const SOCKETS: usize,
    const ROOMS: usize,
    const MEMBERSHIPS: usize,
    const PACKETS: usize,
    const ACKS: usize,
    const FRAMES: usize,
    const BYTES: usize,
    const RECENT: usize,
> Fixed<CLIENTS, SOCKETS, ROOMS, MEMBERSHIPS, PACKETS, ACKS, FRAMES, BYTES, RECENT>
{
    /// Empty memory, made at compile time.
    pub const fn new() -> Self {
        Self {
            sessions: Vec::new(),
            sessions_index: Vec::new(),
            sockets: Vec::new(),
            sockets_index: Vec::new(),
            rooms: Vec::new(),
            rooms_index: Vec::new(),
            room_changes: Vec::new(),
            memberships: Vec::new(),
            entries: Vec::new(),
            acks: Vec::new(),
            timers: Vec::new(),
            timers_order: Vec::new(),
            places: Vec::new(),
            recent: Vec::new(),
            bytes: [0; BYTES],
        }
    }

    /// Lends all of it to a server.
    pub fn lend<E: Entropy>(&mut self, entropy: E) -> Resources<Lent<'_, E>> {
        Resources {
            sessions: Lend::new(&mut self.sessions),
            sessions_index: Lend::new(&mut self.sessions_index),
            sockets: Lend::new(&mut self.sockets),
            sockets_index: Lend::new(&mut self.sockets_index),
            rooms: Lend::new(&mut self.rooms),
            rooms_index: Lend::new(&mut self.rooms_index),
            room_changes: Lend::new(&mut self.room_changes),
            memberships: Lend::new(&mut self.memberships),
            entries: Lend::new(&mut self.entries),
            acks: Lend::new(&mut self.acks),
            timers: Lend::new(&mut self.timers),
            timers_order: Lend::new(&mut self.timers_order),
            recent: Lend::new(&mut self.recent),
            frames: FixedFrames::new(&mut self.bytes, Lend::new(&mut self.places)),
            entropy,
        }
    }
}

impl<
    const CLIENTS: usize,
    const SOCKETS: usize,
    const ROOMS: usize,
    const MEMBERSHIPS: usize,
    const PACKETS: usize,
    const ACKS: usize,
    const FRAMES: usize,
    const BYTES: usize,
    const RECENT: usize,
> Default for Fixed<CLIENTS, SOCKETS, ROOMS, MEMBERSHIPS, PACKETS, ACKS, FRAMES, BYTES, RECENT>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The kind of memory that [`Fixed`] lends: views that do not carry its sizes.
#[derive(Debug)]
pub struct Lent<'a, E> {
    lifetime: core::marker::PhantomData<(&'a (), E)>,
}

impl<'a, E: Entropy> Memory for Lent<'a, E> {
    type Table<T: core::fmt::Debug + 'static> = Lend<'a, T>;
    type Frames = FixedFrames<'a, Lend<'a, Place>>;
    type Entropy = E;
}

/// A lent heapless vector as a [`Storage`].
#[derive(Debug)]
pub struct Lend<'a, T: 'static> {
    vec: &'a mut VecView<T>,
}

impl<'a, T> Lend<'a, T> {
    /// Lends `vec`, emptied.
    pub fn new(vec: &'a mut VecView<T>) -> Self {
        vec.clear();
        Self { vec }
    }
}

impl<T> Deref for Lend<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.vec
    }
}

impl<T> DerefMut for Lend<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.vec
    }
}

impl<T> Storage<T> for Lend<'_, T> {
    fn grow(&mut self, value: T) -> Result<(), T> {
        self.vec.push(value)
    }

    fn limit(&self) -> usize {
        self.vec.capacity()
    }
}

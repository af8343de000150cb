//! The memory of the host: tables that grow up to the configured limits, and frames that connections can share.

use core::ops::{Deref, DerefMut};
use std::sync::Once;

use bytes::Bytes;
use sprat_core::Limits;
use sprat_core::error::CapacityError;
use sprat_core::frames::{FrameId, Frames};
use sprat_core::memory::{Entropy, Memory, Resources, Storage};
use sprat_core::wire::websocket::{Opcode, encode_header};

/// At most twice that is free at the end of the heap and not given back.
const SPARE_BYTES: usize = 512 << 10;

/// Has the C library keep some free memory, from the first long message on.
///
/// glibc gives the end of its heap back as soon as 128 KiB are free there, and each long message takes it anew, page by page. From
/// when a larger block was mapped by itself and is free again, it keeps twice as much. To begin with that would cost memory: tables
/// that grow would not be mapped by themselves either.
pub(crate) fn keep_spare() {
    static ONCE: Once = Once::new();
    // Nothing else is done with the block, which a compiler may leave out otherwise.
    ONCE.call_once(|| drop(core::hint::black_box(Vec::<u8>::with_capacity(SPARE_BYTES))));
}

/// A vector with a longest length.
#[derive(Debug)]
pub struct Growing<T> {
    values: Vec<T>,
    limit: usize,
}

impl<T> Growing<T> {
    const fn new(limit: usize) -> Self {
        Self { values: Vec::new(), limit }
    }
}

impl<T> Deref for Growing<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T> DerefMut for Growing<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
}

impl<T> Storage<T> for Growing<T> {
    fn grow(&mut self, value: T) -> Result<(), T> {
        if self.values.len() == self.limit {
            return Err(value);
        }
        self.values.push(value);
        Ok(())
    }

    fn limit(&self) -> usize {
        self.limit
    }
}

/// The kinds of memory of the host.
#[derive(Debug)]
pub struct Host;

impl Memory for Host {
    type Table<T: core::fmt::Debug + 'static> = Growing<T>;
    type Frames = SharedFrames;
    type Entropy = SystemEntropy;
}

/// Memory for as many clients as the limits allow. Nearly nothing of it is taken before they come.
pub fn resources(limits: &Limits, rooms_max: usize) -> Resources<Host> {
    let clients = limits.clients_max as usize;
    let sockets = clients.saturating_mul(usize::from(limits.namespaces_by_session_max));
    let buckets = clients.next_power_of_two();
    Resources {
        sessions: Growing::new(clients),
        sessions_index: Growing::new(buckets),
        sockets: Growing::new(sockets),
        sockets_index: Growing::new(buckets),
        // Each namespace is one, too.
        rooms: Growing::new(rooms_max.saturating_add(usize::from(limits.namespaces_by_session_max))),
        rooms_index: Growing::new(buckets),
        memberships: Growing::new(clients.saturating_mul(MEMBERSHIPS_BY_CLIENT).saturating_add(MEMBERSHIPS_MIN)),
        entries: Growing::new(ENTRIES_MAX),
        acks: Growing::new(ACKS_MAX),
        timers: Growing::new(ACKS_MAX),
        timers_order: Growing::new(ACKS_MAX),
        room_changes: Growing::new(limits.room_changes_max as usize),
        recent: Growing::new(limits.recovery_packets_max as usize),
        frames: SharedFrames::default(),
        entropy: SystemEntropy::new(),
    }
}

const MEMBERSHIPS_MIN: usize = 1_024;
const MEMBERSHIPS_BY_CLIENT: usize = 64;
/// Packets in all outboxes together.
const ENTRIES_MAX: usize = 4_000_000;
const ACKS_MAX: usize = 1_000_000;

/// Frames as shared bytes: a connection that sends one holds it without a copy.
#[derive(Debug, Default)]
pub struct SharedFrames {
    frames: Vec<Shared>,
    free: Vec<u32>,
    used_bytes: usize,
    /// Where frames are written whose length is not known ahead.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    bytes: SharedText,
    references: u32,
}

/// Bytes behind the header that they have as a text message of a WebSocket. It is the same for all who get them, because
/// what a server sends is not masked (RFC 6455, section 5.1).
#[derive(Clone, Debug, Default)]
pub struct SharedText {
    framed: Bytes,
    header_len: u8,
}

impl SharedText {
    /// A frame of its own for a payload.
    pub fn new(payload: &[u8]) -> Self {
        let mut buffer = [0; 10];
        let header = encode_header(Opcode::Text, true, payload.len() as u64, &mut buffer);
        let mut framed = Vec::with_capacity(header.len() + payload.len());
        framed.extend_from_slice(header);
        framed.extend_from_slice(payload);
        Self { framed: framed.into(), header_len: header.len() as u8 }
    }

    /// The message: header and payload.
    pub fn framed(self) -> Bytes {
        self.framed
    }

    /// The payload.
    pub fn payload(&self) -> Bytes {
        self.framed.slice(usize::from(self.header_len).min(self.framed.len())..)
    }

    /// The payload, as long as this lives.
    pub fn as_slice(&self) -> &[u8] {
        self.framed.get(usize::from(self.header_len)..).unwrap_or_default()
    }
}

/// What a frame costs beside its bytes, so that many empty ones are not free.
const FRAME_OVERHEAD_BYTES: usize = 64;

impl SharedFrames {
    /// The frame's bytes, shared.
    pub fn shared(&self, frame: FrameId) -> Bytes {
        self.text(frame).payload()
    }

    /// The frame as a text message, shared.
    pub fn text(&self, frame: FrameId) -> SharedText {
        self.frames.get(frame.index()).map(|shared| shared.bytes.clone()).unwrap_or_default()
    }
}

impl Frames for SharedFrames {
    type Held = Bytes;

    fn insert(&mut self, len_max: usize, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> Result<FrameId, CapacityError> {
        self.scratch.resize(len_max, 0);
        let len = fill(&mut self.scratch).min(len_max);
        let bytes = SharedText::new(self.scratch.get(..len).unwrap_or_default());
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        self.used_bytes += len + FRAME_OVERHEAD_BYTES;
        let shared = Shared { bytes, references: 1 };
        match self.free.pop() {
            Some(index) => {
                self.frames[index as usize] = shared;
                Ok(FrameId::new(index))
            }
            None => {
                let index = u32::try_from(self.frames.len()).map_err(|_| CapacityError::Frames)?;
                self.frames.push(shared);
                Ok(FrameId::new(index))
            }
        }
    }

    fn bytes(&self, frame: FrameId) -> &[u8] {
        self.frames.get(frame.index()).map_or(&[], |shared| shared.bytes.as_slice())
    }

    fn hold(&self, frame: FrameId) -> Option<Bytes> {
        Some(self.shared(frame))
    }

    fn retain(&mut self, frame: FrameId) {
        self.frames[frame.index()].references += 1;
    }

    fn release(&mut self, frame: FrameId) {
        let shared = &mut self.frames[frame.index()];
        debug_assert!(shared.references > 0, "a frame was released twice");
        shared.references -= 1;
        if shared.references == 0 {
            self.used_bytes -= shared.bytes.as_slice().len() + FRAME_OVERHEAD_BYTES;
            shared.bytes = SharedText::default();
            self.free.push(frame.index() as u32);
        }
    }

    fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// The bound in bytes is the server's own limit; here only the number of frames is bounded.
    fn has_room(&self, _len: usize) -> bool {
        !self.free.is_empty() || self.frames.len() < u32::MAX as usize
    }
}

/// A burst may need more; it is given back.
const SCRATCH_BYTES_KEPT: usize = 64 << 10;

/// Random bytes of the operating system, fetched some at a time.
#[derive(Debug)]
pub struct SystemEntropy {
    bytes: [u8; 256],
    used: usize,
}

impl SystemEntropy {
    const fn new() -> Self {
        Self { bytes: [0; 256], used: 256 }
    }

    fn next(&mut self) -> u8 {
        if self.used == self.bytes.len() {
            fetch(&mut self.bytes);
            self.used = 0;
        }
        let byte = core::mem::take(&mut self.bytes[self.used]);
        self.used += 1;
        byte
    }
}

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.next());
    }
}

/// Ids that could be guessed would be worse than no server, so a system without randomness ends it.
fn fetch(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        match rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(len) => bytes = &mut bytes[len..],
            Err(rustix::io::Errno::INTR) => {}
            Err(problem) => panic!("the system gives no random bytes: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_shared_and_its_place_is_used_again() {
        let mut frames = SharedFrames::default();
        let frame = frames.insert(10, &mut |buffer| {
            buffer[..5].copy_from_slice(b"hello");
            5
        });
        let frame = frame.expect("there is room");
        frames.retain(frame);
        let shared = frames.shared(frame);
        frames.release(frame);
        assert_eq!(frames.bytes(frame), b"hello");
        frames.release(frame);
        assert_eq!((frames.bytes(frame), frames.used_bytes()), (&b""[..], 0));
        assert_eq!(shared, "hello", "who holds it still reads it");
        let next = frames.insert(0, &mut |_| 0).expect("there is room");
        assert_eq!(next, frame);
    }

    #[test]
    fn random_bytes_differ() {
        let mut entropy = SystemEntropy::new();
        let (mut a, mut b) = ([0; 300], [0; 300]);
        entropy.fill(&mut a);
        entropy.fill(&mut b);
        assert_ne!(a, b);
    }
}

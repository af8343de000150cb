//! Encoded packets, each held once and handed out by cheap handles.
//!
//! A packet for many clients is encoded into one frame; each client's outbox holds a handle. The names of rooms and the
//! data of sockets live here too: everything in the core whose length varies.

use crate::error::CapacityError;
use crate::limits::Limits;
use crate::memory::Storage;
use crate::table::NONE;

/// A handle to a frame. The core counts how many of them exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId(pub(crate) u32);

impl FrameId {
    /// The handle of the frame with this number in the driver's own store.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number of the frame in its store.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where frames live. Implemented by [`FixedFrames`] and by the host's store, which shares frames with its sockets.
pub trait Frames {
    /// A frame's bytes, kept apart from the store so that they can be read while the store changes.
    type Held: AsRef<[u8]>;

    /// Stores a frame of at most `len_max` bytes with one reference: `fill` writes it and returns its length.
    ///
    /// # Errors
    /// [`CapacityError::Frames`] if there is no room, and then `fill` was not called.
    fn insert(&mut self, len_max: usize, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> Result<FrameId, CapacityError>;

    /// As [`Self::insert`], where `fill` reads other frames: it gets the bytes of those `beside`, 16 at most.
    ///
    /// # Errors
    /// As [`Self::insert`]; also if the store cannot spare the memory to hold them all.
    fn insert_beside(
        &mut self,
        len_max: usize,
        beside: &[FrameId],
        fill: &mut FillBeside<'_>,
    ) -> Result<FrameId, CapacityError> {
        let mut held = heapless::Vec::<_, { Limits::ATTACHMENTS_CAP }>::new();
        for frame in beside {
            let bytes = self.hold(*frame).ok_or(CapacityError::Frames)?;
            held.push(bytes).map_err(|_| CapacityError::Frames)?;
        }
        let beside: Beside<'_> = held.iter().map(AsRef::as_ref).collect();
        self.insert(len_max, &mut |buffer| fill(buffer, &beside))
    }

    /// The frame's bytes; empty if there is no such frame.
    fn bytes(&self, frame: FrameId) -> &[u8];

    /// The frame's bytes for reading while the store changes; `None` if the store cannot spare the memory for so many.
    fn hold(&self, frame: FrameId) -> Option<Self::Held>;

    /// Counts one more reference.
    fn retain(&mut self, frame: FrameId);

    /// Counts one reference less; the last one frees the frame.
    fn release(&mut self, frame: FrameId);

    /// Bytes of all frames together.
    fn used_bytes(&self) -> usize;

    /// Whether a frame of `len` bytes would find room.
    fn has_room(&self, len: usize) -> bool;

    /// Whether a frame of `len` bytes would find room if there were no others. Default: yes.
    fn could_hold(&self, len: usize) -> bool {
        let _ = len;
        true
    }
}

/// What [`Frames::insert_beside`] calls to fill a frame.
pub type FillBeside<'a> = dyn FnMut(&mut [u8], &[&[u8]]) -> usize + 'a;

pub(crate) type Beside<'a> = heapless::Vec<&'a [u8], { Limits::ATTACHMENTS_CAP }>;

/// Where one frame of [`FixedFrames`] is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Offset of the first byte; in a free place, the index of the next free one.
    offset: u32,
    len: u32,
    references: u32,
}

/// Frames in one fixed array of bytes, packed from its start.
///
/// New frames go behind the last one. When the end is reached, the live ones are moved together: handles name places, not
/// addresses, so nobody notices. Each frame is preceded by its place's number, which is how the move finds its way.
#[derive(Debug)]
pub struct FixedFrames<'a, S> {
    bytes: &'a mut [u8],
    places: S,
    free: u32,
    top: usize,
    used: usize,
}

/// Number of the place and length of the frame, in front of each frame.
const HEADER: usize = 8;

impl<'a, S: Storage<Place>> FixedFrames<'a, S> {
    /// An empty store in `bytes`, which may hold as many frames as `places` has room for.
    pub const fn new(bytes: &'a mut [u8], places: S) -> Self {
        Self { bytes, places, free: NONE, top: 0, used: 0 }
    }

    fn new_place(&mut self) -> Option<u32> {
        if self.free != NONE {
            let index = self.free;
            self.free = self.places[index as usize].offset;
            return Some(index);
        }
        let index = u32::try_from(self.places.len()).ok()?;
        self.places.grow(Place::default()).ok()?;
        Some(index)
    }

    fn free_place(&mut self, index: u32) {
        self.places[index as usize] = Place { offset: self.free, len: 0, references: 0 };
        self.free = index;
    }

    /// Moves all live frames to the front. One pass over the array, whatever its state.
    fn compact(&mut self) {
        let (mut from, mut to) = (0, 0);
        while from < self.top {
            let (index, len) = self.header(from);
            let next = from + HEADER + len;
            if index != NONE {
                self.bytes.copy_within(from..next, to);
                self.places[index as usize].offset = (to + HEADER) as u32;
                to += HEADER + len;
            }
            from = next;
        }
        self.top = to;
    }

    fn header(&self, at: usize) -> (u32, usize) {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&self.bytes[at..at + 4]);
            u32::from_le_bytes(word)
        };
        (word(at), word(at + 4) as usize)
    }

    fn set_header(&mut self, at: usize, index: u32, len: usize) {
        self.bytes[at..at + 4].copy_from_slice(&index.to_le_bytes());
        self.bytes[at + 4..at + HEADER].copy_from_slice(&(len as u32).to_le_bytes());
    }
}

/// The bytes of a frame, which are among `bytes`.
fn bytes_of<'b>(places: &[Place], frame: FrameId, bytes: &'b [u8]) -> &'b [u8] {
    let place = places.get(frame.index()).filter(|place| place.references > 0);
    place.and_then(|place| bytes.get(place.offset as usize..)?.get(..place.len as usize)).unwrap_or_default()
}

/// Longest text of a binary packet that [`FixedFrames`] lets through, and with MessagePack of any packet: it is copied to
/// the stack.
pub const FIXED_HELD_BYTES_MAX: usize = 512;

impl<S: Storage<Place>> Frames for FixedFrames<'_, S> {
    type Held = heapless::Vec<u8, FIXED_HELD_BYTES_MAX>;

    fn hold(&self, frame: FrameId) -> Option<Self::Held> {
        heapless::Vec::from_slice(self.bytes(frame)).ok()
    }

    fn insert(&mut self, len_max: usize, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> Result<FrameId, CapacityError> {
        self.insert_beside(len_max, &[], &mut |buffer, _| fill(buffer))
    }

    /// Copies none of them.
    fn insert_beside(
        &mut self,
        len_max: usize,
        beside: &[FrameId],
        fill: &mut FillBeside<'_>,
    ) -> Result<FrameId, CapacityError> {
        if !self.has_room(len_max) || beside.len() > Limits::ATTACHMENTS_CAP {
            return Err(CapacityError::Frames);
        }
        let index = self.new_place().ok_or(CapacityError::Frames)?;
        if self.top + HEADER + len_max > self.bytes.len() {
            self.compact();
        }
        let offset = self.top + HEADER;
        let len = {
            let (others, room) = self.bytes.split_at_mut(offset);
            let beside: Beside<'_> = beside.iter().map(|frame| bytes_of(&self.places, *frame, others)).collect();
            fill(&mut room[..len_max], &beside).min(len_max)
        };
        self.set_header(self.top, index, len);
        self.places[index as usize] = Place { offset: offset as u32, len: len as u32, references: 1 };
        self.top = offset + len;
        self.used += HEADER + len;
        Ok(FrameId(index))
    }

    fn bytes(&self, frame: FrameId) -> &[u8] {
        bytes_of(&self.places, frame, self.bytes)
    }

    fn retain(&mut self, frame: FrameId) {
        self.places[frame.index()].references += 1;
    }

    fn release(&mut self, frame: FrameId) {
        let place = &mut self.places[frame.index()];
        debug_assert!(place.references > 0, "frame {} released twice", frame.0);
        place.references -= 1;
        if place.references > 0 {
            return;
        }
        let (offset, len) = (place.offset as usize, place.len as usize);
        self.used -= HEADER + len;
        self.set_header(offset - HEADER, NONE, len);
        self.free_place(frame.0);
        if offset + len == self.top {
            self.top = offset - HEADER;
        }
    }

    fn used_bytes(&self) -> usize {
        self.used
    }

    fn has_room(&self, len: usize) -> bool {
        let place = self.free != NONE || self.places.len() < self.places.limit();
        place && self.used + HEADER + len <= self.bytes.len()
    }

    fn could_hold(&self, len: usize) -> bool {
        HEADER + len <= self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Lend;

    fn put<S: Storage<Place>>(frames: &mut FixedFrames<'_, S>, text: &str) -> Result<FrameId, CapacityError> {
        frames.insert(text.len(), &mut |buffer| {
            buffer.copy_from_slice(text.as_bytes());
            text.len()
        })
    }

    #[test]
    fn frames_survive_being_moved() {
        let mut bytes = [0; 64];
        let mut places = heapless::Vec::<Place, 8>::new();
        let mut frames = FixedFrames::new(&mut bytes, Lend::new(&mut places));
        let a = put(&mut frames, "aaaaaaaaaa").expect("room");
        let b = put(&mut frames, "bbbbbbbbbb").expect("room");
        let c = put(&mut frames, "cccccccccc").expect("room");
        assert_eq!(put(&mut frames, "too much"), Err(CapacityError::Frames));
        frames.release(b);
        let d = put(&mut frames, "dddddddddd").expect("room after the others were moved together");
        assert_eq!(frames.bytes(a), b"aaaaaaaaaa");
        assert_eq!(frames.bytes(c), b"cccccccccc");
        assert_eq!(frames.bytes(d), b"dddddddddd");
        for frame in [a, c, d] {
            frames.release(frame);
        }
        assert_eq!(frames.used_bytes(), 0);
    }

    #[test]
    fn a_frame_is_filled_from_others_that_are_moved_for_it() {
        let mut bytes = [0; 64];
        let mut places = heapless::Vec::<Place, 8>::new();
        let mut frames = FixedFrames::new(&mut bytes, Lend::new(&mut places));
        let gap = put(&mut frames, "aaaaaaaaaaaaaaa").expect("room");
        let b = put(&mut frames, "bbb").expect("room");
        let c = put(&mut frames, "").expect("room");
        frames.release(gap);
        let joined = frames.insert_beside(20, &[b, c, b], &mut |buffer, others| {
            let mut len = 0;
            for bytes in others {
                buffer[len..len + bytes.len()].copy_from_slice(bytes);
                len += bytes.len();
            }
            len
        });
        assert_eq!(frames.bytes(joined.expect("room after the others were moved together")), b"bbbbbb");
        assert_eq!((frames.bytes(b), frames.bytes(c)), (&b"bbb"[..], &b""[..]));
    }

    #[test]
    fn a_frame_lives_as_long_as_its_last_reference() {
        let mut bytes = [0; 64];
        let mut places = heapless::Vec::<Place, 1>::new();
        let mut frames = FixedFrames::new(&mut bytes, Lend::new(&mut places));
        let a = put(&mut frames, "a").expect("room");
        frames.retain(a);
        frames.release(a);
        assert_eq!(frames.bytes(a), b"a");
        assert_eq!(put(&mut frames, "b"), Err(CapacityError::Frames));
        frames.release(a);
        assert_eq!(frames.bytes(a), b"");
        assert!(put(&mut frames, "b").is_ok());
    }
}

//! Who joined and left which room, for applications that watch rooms.
//!
//! Changes are noted as they are made and told one by one in `poll()`, since an application is never called from within its
//! own call. Where there are more than the limit in one go, the later ones are not told, but how many there were is.

use crate::frames::{FrameId, Frames};
use crate::ids::SocketId;
use crate::memory::Storage;
use crate::table::NONE;

/// A change that has not been told yet. It holds the name of its room.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub(crate) room: FrameId,
    pub(crate) socket: SocketId,
    pub(crate) has_joined: bool,
    /// The room began with this, or ended.
    pub(crate) is_only_member: bool,
}

impl Default for Change {
    fn default() -> Self {
        let socket = SocketId { index: NONE, generation: 0 };
        Self { room: FrameId::new(NONE), socket, has_joined: false, is_only_member: false }
    }
}

/// The changes that have not been told, oldest first, in a ring.
#[derive(Debug)]
pub(crate) struct RoomChanges<S> {
    slots: S,
    max: usize,
    first: usize,
    len: usize,
    lost: u32,
}

impl<S: Storage<Change>> RoomChanges<S> {
    pub(crate) fn new(slots: S, max: u32) -> Self {
        let max = slots.limit().min(max as usize);
        Self { slots, max, first: 0, len: 0, lost: 0 }
    }

    /// Notes a change, if anybody wants to know.
    pub(crate) fn push(&mut self, frames: &mut impl Frames, change: Change) {
        if self.max == 0 {
            return;
        }
        if self.len == self.max {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let place = (self.first + self.len) % self.max;
        frames.retain(change.room);
        if place < self.slots.len() {
            self.slots[place] = change;
        } else if self.slots.grow(change).is_err() {
            frames.release(change.room);
            return;
        }
        self.len += 1;
    }

    /// The oldest change. The name of its room is to be released.
    pub(crate) fn pop(&mut self) -> Option<Change> {
        if self.len == 0 {
            return None;
        }
        let change = core::mem::take(&mut self.slots[self.first]);
        self.first = (self.first + 1) % self.max;
        self.len -= 1;
        Some(change)
    }

    /// How many changes could not be noted since this was asked last.
    pub(crate) const fn take_lost(&mut self) -> u32 {
        core::mem::replace(&mut self.lost, 0)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

//! Slots with a generation and a free list, over whatever storage the memory provides.

use crate::memory::Storage;

/// No index: the end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// A place for one value. Its generation is odd while a value lives in it and grows with every change of tenant,
/// and lies before it, because whoever looks for the value looks there first.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Slot<T> {
    generation: u32,
    next_free: u32,
    value: T,
}

/// A table of slots. Insertion, removal and access by index take constant time.
#[derive(Debug)]
pub(crate) struct Table<T, S> {
    slots: S,
    free: u32,
    live: u32,
    max: u32,
    value: core::marker::PhantomData<T>,
}

impl<T: Default, S: Storage<Slot<T>>> Table<T, S> {
    /// An empty table of at most `max` values, or of as many as the storage holds if that is less.
    pub(crate) fn new(slots: S, max: u32) -> Self {
        let max = u32::try_from(slots.limit()).unwrap_or(NONE - 1).min(max);
        Self { slots, free: NONE, live: 0, max, value: core::marker::PhantomData }
    }

    /// How many values there can be.
    pub(crate) const fn max(&self) -> u32 {
        self.max
    }

    /// Whether `count` more values would find room.
    pub(crate) const fn has_room(&self, count: u32) -> bool {
        self.live.saturating_add(count) <= self.max
    }

    /// Puts `value` into a free slot and returns its index, or `None` when the table or its storage is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<u32> {
        if !self.has_room(1) {
            return None;
        }
        if self.free == NONE {
            let index = u32::try_from(self.slots.len()).ok()?;
            self.slots.grow(Slot { generation: 1, next_free: NONE, value }).ok()?;
            self.live += 1;
            return Some(index);
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next_free;
        slot.generation = slot.generation.wrapping_add(1);
        slot.value = value;
        self.live += 1;
        Some(index)
    }

    /// Takes the value out of a live slot and frees the slot.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        let slot = &mut self.slots[index as usize];
        debug_assert!(slot.generation % 2 == 1, "slot {index} removed twice");
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = self.free;
        self.free = index;
        self.live -= 1;
        core::mem::take(&mut slot.value)
    }

    /// The generation of the slot's tenant.
    pub(crate) fn generation(&self, index: u32) -> u32 {
        self.slots[index as usize].generation
    }

    /// Whether the tenant of `generation` still lives in the slot.
    pub(crate) fn is_live(&self, index: u32, generation: u32) -> bool {
        generation % 2 == 1 && self.slots.get(index as usize).is_some_and(|slot| slot.generation == generation)
    }

    /// How many values live in the table.
    pub(crate) const fn live(&self) -> u32 {
        self.live
    }
}

impl<T, S: Storage<Slot<T>>> core::ops::Index<u32> for Table<T, S> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.slots[index as usize].value
    }
}

impl<T, S: Storage<Slot<T>>> core::ops::IndexMut<u32> for Table<T, S> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize].value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_slot_has_another_generation_and_a_full_table_says_so() {
        let mut storage = heapless::Vec::<Slot<u8>, 2>::new();
        let mut table = Table::new(crate::memory::Lend::new(&mut storage), 2);
        let first = table.insert(7).expect("room");
        let generation = table.generation(first);
        assert!(table.is_live(first, generation));
        assert_eq!(table.insert(8), Some(1));
        assert_eq!(table.insert(9), None);
        assert_eq!(table.remove(first), 7);
        assert!(!table.is_live(first, generation));
        assert_eq!(table.insert(9), Some(first));
        assert!(!table.is_live(first, generation));
        assert!(table.is_live(first, generation + 2));
        assert_eq!((table[first], table.live()), (9, 2));
    }
}

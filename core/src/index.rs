//! Look-up by hash: buckets of chains that run through the slots of a table.

use crate::memory::Storage;
use crate::table::{NONE, Slot, Table};

/// A value that can stand in a bucket's chain.
pub(crate) trait Chained: Default {
    fn bucket_next(&mut self) -> &mut u32;
}

/// The heads of the chains. As many as the storage has room for, so chains stay short.
#[derive(Debug)]
pub(crate) struct Index<S> {
    heads: S,
}

impl<S: Storage<u32>> Index<S> {
    pub(crate) fn new(mut heads: S) -> Self {
        while heads.len() < heads.limit() && heads.grow(NONE).is_ok() {}
        Self { heads }
    }

    fn bucket(&self, hash: u32) -> usize {
        // The storage of a server has room for one value at least, or the server could not be made.
        hash as usize % self.heads.len().max(1)
    }

    /// The index of the value in `hash`'s bucket that `same` accepts.
    pub(crate) fn find<T: Chained, V: Storage<Slot<T>>>(
        &self,
        table: &mut Table<T, V>,
        hash: u32,
        same: impl Fn(&T) -> bool,
    ) -> Option<u32> {
        let mut at = *self.heads.get(self.bucket(hash))?;
        while at != NONE {
            if same(&table[at]) {
                return Some(at);
            }
            at = *table[at].bucket_next();
        }
        None
    }

    pub(crate) fn insert<T: Chained, V: Storage<Slot<T>>>(&mut self, table: &mut Table<T, V>, hash: u32, index: u32) {
        let bucket = self.bucket(hash);
        if let Some(head) = self.heads.get_mut(bucket) {
            *table[index].bucket_next() = *head;
            *head = index;
        }
    }

    pub(crate) fn remove<T: Chained, V: Storage<Slot<T>>>(&mut self, table: &mut Table<T, V>, hash: u32, index: u32) {
        let bucket = self.bucket(hash);
        let next = *table[index].bucket_next();
        let Some(head) = self.heads.get_mut(bucket) else { return };
        if *head == index {
            *head = next;
            return;
        }
        let mut at = *head;
        while at != NONE {
            let link = table[at].bucket_next();
            if *link == index {
                *link = next;
                return;
            }
            at = *link;
        }
    }
}

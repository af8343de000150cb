//! What is called for one kind of thing, in order, and can be taken away again.

use core::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A handler that was registered: see [`Namespace::latest`](crate::Namespace::latest) and
/// [`Io::latest_outgoing`](crate::Io::latest_outgoing).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(u64);

impl ListenerId {
    pub(super) fn next() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Handlers of one kind, in the order in which they are called.
pub(super) struct Listeners<T>(Vec<(ListenerId, T)>);

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Listeners<T> {
    pub(super) fn push(&mut self, listener: T) -> ListenerId {
        let id = ListenerId::next();
        self.0.push((id, listener));
        id
    }

    pub(super) fn push_front(&mut self, listener: T) -> ListenerId {
        let id = ListenerId::next();
        self.0.insert(0, (id, listener));
        id
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: ListenerId) -> bool {
        let before = self.0.len();
        self.0.retain(|(listener, _)| *listener != id);
        self.0.len() < before
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, listener)| listener)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

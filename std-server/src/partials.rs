//! What has come in part, of all connections together: heads, bodies and messages that are not complete.
//!
//! Each is bounded by itself, but there may be many. When all together are too much, the one that began first goes: who sends
//! something whole in good time has done so before others fill the place.

use core::cell::RefCell;
use core::num::NonZeroU64;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::rc::Rc;

/// All that has come in part.
#[derive(Debug)]
pub(crate) struct Partials {
    bytes_max: usize,
    table: RefCell<Table>,
}

#[derive(Debug, Default)]
struct Table {
    bytes: usize,
    /// Those that are long, in the order in which they became so.
    long: BTreeMap<NonZeroU64, Long>,
    last: u64,
}

#[derive(Debug)]
struct Long {
    bytes: usize,
    /// The connection's task, which is to know when it is cut off.
    waker: Waker,
}

/// What is shorter is not counted: nearly everything is.
const COUNTED_BYTES_MIN: usize = 4 << 10;

impl Partials {
    pub(crate) fn new(bytes_max: usize) -> Rc<Self> {
        Rc::new(Self { bytes_max, table: RefCell::default() })
    }

    /// What a new connection has sent.
    pub(crate) fn begin(self: &Rc<Self>) -> Partial {
        Partial { all: Rc::clone(self), bytes: 0, number: None }
    }
}

/// What a connection has sent since it was last complete.
#[derive(Debug)]
pub(crate) struct Partial {
    all: Rc<Partials>,
    bytes: usize,
    number: Option<NonZeroU64>,
}

impl Partial {
    /// Counts bytes that have come. If all together are too much, those that began first are cut off, perhaps this one.
    pub(crate) fn add(&mut self, len: usize, cx: &Context<'_>) {
        self.bytes += len;
        if self.bytes < COUNTED_BYTES_MIN || self.is_cut() {
            return;
        }
        let table = &mut *self.all.table.borrow_mut();
        let number = *self.number.get_or_insert_with(|| {
            table.last += 1;
            NonZeroU64::MIN.saturating_add(table.last)
        });
        let long = table.long.entry(number).or_insert_with(|| Long { bytes: 0, waker: cx.waker().clone() });
        long.waker.clone_from(cx.waker());
        table.bytes += self.bytes - core::mem::replace(&mut long.bytes, self.bytes);
        while table.bytes > self.all.bytes_max
            && let Some((_, first)) = table.long.pop_first()
        {
            table.bytes -= first.bytes;
            first.waker.wake();
        }
    }

    /// All that has come is complete.
    pub(crate) fn settle(&mut self) {
        self.bytes = 0;
        if let Some(number) = self.number.take() {
            let table = &mut *self.all.table.borrow_mut();
            table.bytes -= table.long.remove(&number).map_or(0, |long| long.bytes);
        }
    }

    /// Whether it had to make room for others: the connection is to end.
    pub(crate) fn is_cut(&self) -> bool {
        self.number.is_some_and(|number| !self.all.table.borrow().long.contains_key(&number))
    }

    /// Ready when it is cut off.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        let Some(number) = self.number else { return Poll::Pending };
        match self.all.table.borrow_mut().long.get_mut(&number) {
            Some(long) => {
                long.waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[test]
    fn the_one_that_began_first_makes_room() {
        let all = Partials::new(20_000);
        let mut three = [all.begin(), all.begin(), all.begin()];
        for partial in &mut three {
            partial.add(6_000, &context());
        }
        assert!(three.iter().all(|partial| !partial.is_cut()));
        three[2].add(3_000, &context());
        assert_eq!(three.each_ref().map(Partial::is_cut), [true, false, false]);
        assert!(three[0].poll_cut(&context()).is_ready() && three[1].poll_cut(&context()).is_pending());
        // Who is cut off counts no more, and is not counted again.
        three[0].add(50_000, &context());
        assert_eq!(three.each_ref().map(Partial::is_cut), [true, false, false]);
        assert_eq!(all.table.borrow().bytes, 15_000);
        drop(three);
        assert_eq!((all.table.borrow().bytes, all.table.borrow().long.len()), (0, 0));
    }

    #[test]
    fn what_is_complete_counts_no_more_and_what_is_short_never_did() {
        let all = Partials::new(20_000);
        let mut one = all.begin();
        for _ in 0..10 {
            one.add(9_000, &context());
            one.settle();
            one.add(1_000, &context());
            assert!(!one.is_cut());
            one.settle();
        }
        assert_eq!(all.table.borrow().last, 10);
        // One alone may be too much as well.
        one.add(20_001, &context());
        assert!(one.is_cut());
    }
}

//! Deadlines with durations of their own: acknowledgements and the application's timers, in one bounded heap.

use crate::ids::{AckId, TimerId};
use crate::memory::Storage;
use crate::table::{NONE, Slot, Table};
use crate::time::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Ack(AckId),
    App { key: u64 },
}

/// A deadline.
#[derive(Debug)]
pub struct Timer {
    deadline: Instant,
    purpose: Purpose,
    /// Where it stands in the heap.
    place: u32,
}

impl Default for Timer {
    fn default() -> Self {
        Self { deadline: Instant::from_ms(0), purpose: Purpose::App { key: 0 }, place: NONE }
    }
}

/// The heap: the earliest deadline stands first, and none before its parent.
#[derive(Debug)]
pub(crate) struct Deadlines<S, O> {
    timers: Table<Timer, S>,
    order: O,
    len: u32,
}

impl<S: Storage<Slot<Timer>>, O: Storage<u32>> Deadlines<S, O> {
    pub(crate) fn new(timers: S, order: O) -> Self {
        let max = u32::try_from(order.limit()).unwrap_or(NONE - 1);
        Self { timers: Table::new(timers, max), order, len: 0 }
    }

    /// Adds a deadline; `None` if there are too many.
    pub(crate) fn insert(&mut self, deadline: Instant, purpose: Purpose) -> Option<TimerId> {
        let index = self.timers.insert(Timer { deadline, purpose, place: NONE })?;
        let place = self.len;
        if place as usize == self.order.len() && self.order.grow(index).is_err() {
            self.timers.remove(index);
            return None;
        }
        self.len += 1;
        self.put(place, index);
        self.rise(place);
        Some(TimerId { index, generation: self.timers.generation(index) })
    }

    /// Forgets a deadline, if it has not come yet.
    pub(crate) fn cancel(&mut self, id: TimerId) {
        if self.timers.is_live(id.index, id.generation) {
            self.take(id.index);
        }
    }

    /// The earliest deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.len > 0).then(|| self.timers[self.order[0]].deadline)
    }

    /// Takes the earliest deadline if it is not after `now`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(TimerId, Purpose)> {
        if self.deadline()? > now {
            return None;
        }
        let index = self.order[0];
        let id = TimerId { index, generation: self.timers.generation(index) };
        Some((id, self.take(index)))
    }

    fn take(&mut self, index: u32) -> Purpose {
        let place = self.timers[index].place;
        self.len -= 1;
        let last = self.order[self.len as usize];
        if place != self.len {
            self.put(place, last);
            self.rise(place);
            self.sink(self.timers[last].place);
        }
        self.timers.remove(index).purpose
    }

    fn put(&mut self, place: u32, index: u32) {
        self.order[place as usize] = index;
        self.timers[index].place = place;
    }

    fn rise(&mut self, mut place: u32) {
        while place > 0 && self.at(place) < self.at((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn sink(&mut self, mut place: u32) {
        loop {
            let children = [2 * place + 1, 2 * place + 2].into_iter().filter(|child| *child < self.len);
            let Some(child) = children.min_by_key(|child| self.at(*child)) else { return };
            if self.at(place) <= self.at(child) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    fn at(&self, place: u32) -> Instant {
        self.timers[self.order[place as usize]].deadline
    }

    fn swap(&mut self, a: u32, b: u32) {
        let (first, second) = (self.order[a as usize], self.order[b as usize]);
        self.put(a, second);
        self.put(b, first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Lend;

    #[test]
    fn deadlines_come_in_order_whatever_the_order_of_setting_and_cancelling() {
        let mut timers = heapless::Vec::<Slot<Timer>, 64>::new();
        let mut order = heapless::Vec::<u32, 64>::new();
        let mut deadlines = Deadlines::new(Lend::new(&mut timers), Lend::new(&mut order));
        let mut ids = heapless::Vec::<(u64, TimerId), 64>::new();
        let mut value = 7_u64;
        for _ in 0..64 {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let ms = value >> 54;
            let id = deadlines.insert(Instant::from_ms(ms), Purpose::App { key: ms }).expect("room");
            ids.push((ms, id)).expect("room");
        }
        assert_eq!(deadlines.insert(Instant::from_ms(1), Purpose::App { key: 1 }), None);
        let mut expected = heapless::Vec::<u64, 64>::new();
        for (at, (ms, id)) in ids.iter().enumerate() {
            if at % 3 == 0 {
                deadlines.cancel(*id);
                deadlines.cancel(*id);
            } else {
                expected.push(*ms).expect("room");
            }
        }
        expected.sort_unstable();
        for ms in expected {
            assert_eq!(deadlines.deadline(), Some(Instant::from_ms(ms)));
            let expired = deadlines.expire(Instant::from_ms(2_000)).map(|(_, purpose)| purpose);
            assert_eq!(expired, Some(Purpose::App { key: ms }));
        }
        assert_eq!(deadlines.expire(Instant::from_ms(2_000)), None);
    }
}

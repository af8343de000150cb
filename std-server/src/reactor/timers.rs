//! What waits for a time. Most of it never comes to that: a deadline for a peer is given up when the peer is in time. So to begin and
//! to give up are cheap, and what is given up is forgotten later, together with others.

use core::cmp::Reverse;
use core::task::Waker;
use std::collections::BinaryHeap;
use std::time::Instant;

/// From so many in the queue on, those that were given up are forgotten when they are half of it.
const FORGOTTEN_MIN: usize = 64;

/// The timers that are waited for.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The earliest first, among them some that were given up.
    queue: BinaryHeap<Reverse<Key>>,
    places: Vec<Place>,
    free: Vec<u32>,
    next_number: u64,
    /// Whatever waits for a later time has not been woken yet.
    fired: Option<Instant>,
}

/// A timer: those for one time are in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    at: Instant,
    number: u64,
    place: u32,
}

impl Key {
    /// When it is due.
    pub(super) const fn at(self) -> Instant {
        self.at
    }
}

#[derive(Debug)]
struct Place {
    /// The number of the timer that has it; it is nobody's if there is no waker.
    number: u64,
    waker: Option<Waker>,
}

impl Timers {
    /// Begins to wait for a time.
    pub(super) fn insert(&mut self, at: Instant, waker: Waker) -> Key {
        let number = self.next_number;
        self.next_number += 1;
        let taken = Place { number, waker: Some(waker) };
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = taken;
                place
            }
            None => {
                self.places.push(taken);
                (self.places.len() - 1) as u32
            }
        };
        let key = Key { at, number, place };
        self.queue.push(Reverse(key));
        key
    }

    /// Gives a timer up, unless it has been woken. The waker is for the caller to drop: that may do anything.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        if !is_waiting(&self.places, key) {
            return None;
        }
        let waker = self.places[key.place as usize].waker.take();
        self.free.push(key.place);
        if self.queue.len() > FORGOTTEN_MIN.max(2 * self.live()) {
            let places = &self.places;
            self.queue.retain(|Reverse(key)| is_waiting(places, *key));
        }
        waker
    }

    /// Whether a timer has not been woken.
    pub(super) fn is_waiting(&self, key: Key) -> bool {
        // What is later than all that has been woken needs no look at its place.
        self.fired.is_none_or(|fired| fired < key.at) || is_waiting(&self.places, key)
    }

    /// When the first of all is due.
    pub(super) fn first(&mut self) -> Option<Instant> {
        while let Some(Reverse(key)) = self.queue.peek() {
            if is_waiting(&self.places, *key) {
                return Some(key.at);
            }
            self.queue.pop();
        }
        None
    }

    /// Takes one that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Waker> {
        self.fired = Some(now);
        if self.first()? > now {
            return None;
        }
        let Reverse(key) = self.queue.pop()?;
        self.remove(key)
    }

    fn live(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

fn is_waiting(places: &[Place], key: Key) -> bool {
    places.get(key.place as usize).is_some_and(|place| place.number == key.number && place.waker.is_some())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn timers_are_due_in_order_and_who_was_given_up_is_not_woken() {
        let start = crate::clock::instant();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        let keys: Vec<Key> = (0..1_000).map(|ms| timers.insert(at(ms * 7 % 1_000), Waker::noop().clone())).collect();
        assert!(timers.pop(at(99)).is_some() && timers.is_waiting(keys[999]) && !timers.is_waiting(keys[0]));
        let given_up = keys.iter().filter(|key| key.at().duration_since(start).as_millis() % 3 != 0);
        assert!(given_up.map(|key| timers.remove(*key)).all(|waker| waker.is_some()));
        assert!(timers.queue.len() <= FORGOTTEN_MIN.max(2 * timers.live()), "{} are not forgotten", timers.queue.len());
        // A new timer in the place of one that was given up is not taken for it.
        let new = timers.insert(at(5_000), Waker::noop().clone());
        assert!(keys.iter().filter(|key| key.place == new.place).all(|key| timers.remove(*key).is_none()));
        for ms in (3..1_000).step_by(3) {
            assert_eq!(timers.first(), Some(at(ms)));
            assert!(timers.pop(at(ms - 1)).is_none() && timers.pop(at(ms)).is_some() && timers.pop(at(ms)).is_none());
        }
        assert_eq!((timers.first(), timers.live()), (Some(new.at()), 1));
        assert!(timers.remove(new).is_some() && timers.remove(new).is_none());
        assert_eq!((timers.first(), timers.live(), timers.queue.len()), (None, 0, 0));
    }
}

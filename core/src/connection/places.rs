//! Places for connections, on a device that has few: who is let in, and which connection makes room for somebody.
//!
//! A TCP without a backlog answers with a reset when none of its sockets listens, and a browser shows that as an error. So a
//! driver asks here before its TCP hears of a newcomer, and says nothing while there is no place: the newcomer's TCP
//! tries again in a second.

use crate::time::{Duration, Instant};

/// How often the driver of an idle connection asks [`Places::makes_room`].
pub const IDLE_LOOK: Duration = Duration::from_ms(250);
/// Time a connection without a request is left alone when somebody was not let in.
const IDLE_TIMEOUT: Duration = Duration::from_ms(1_000);
/// Time that a place is kept for a connection whose handshake is not complete.
const HANDSHAKE_TIME: Duration = Duration::from_ms(100);

/// As many places as there are sockets.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    count: usize,
    /// Connections with a peer.
    taken: usize,
    /// Those that were let in and have not said so yet, and when the last one was.
    coming: usize,
    let_in: Instant,
    /// How often somebody was not let in for whom no idle connection has ended yet.
    wanted: usize,
}

impl Places {
    /// `count` places, all of them free.
    pub const fn new(count: usize) -> Self {
        Self { count, taken: 0, coming: 0, let_in: Instant::from_ms(0), wanted: 0 }
    }

    /// Whether there is a place for whoever comes, which is then kept for it.
    pub fn let_in(&mut self, now: Instant) -> bool {
        if now.since(self.let_in) > HANDSHAKE_TIME {
            self.coming = 0;
        }
        let is_free = self.taken + self.coming < self.count;
        if is_free {
            self.coming += 1;
            self.let_in = now;
        } else {
            self.wanted = (self.wanted + 1).min(self.count);
        }
        is_free
    }

    /// A connection has found its peer. Returns how many there are.
    pub const fn take(&mut self) -> usize {
        self.taken += 1;
        self.coming = self.coming.saturating_sub(1);
        self.taken
    }

    /// A connection is over, and its socket listens again.
    pub const fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Whether a connection that has had no request since `idle_since` is to end, because somebody was not let in. For each
    /// who was not, one is.
    pub fn makes_room(&mut self, idle_since: Instant, now: Instant) -> bool {
        let ends = self.wanted > 0 && now.since(idle_since) >= IDLE_TIMEOUT;
        self.wanted -= usize::from(ends);
        ends
    }

    /// Connections with a peer.
    pub const fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    #[test]
    fn nobody_is_let_in_when_all_places_are_taken_or_kept() {
        let mut places = Places::new(2);
        assert!(places.let_in(at(0)));
        assert_eq!(places.take(), 1);
        assert!(places.let_in(at(1)));
        assert!(!places.let_in(at(2)), "the place is kept for the one before");
        assert_eq!(places.take(), 2);
        assert!(!places.let_in(at(5_000)));
        places.give_back();
        assert_eq!(places.taken(), 1);
        assert!(places.let_in(at(5_001)));
    }

    #[test]
    fn a_place_is_kept_for_a_tenth_of_a_second() {
        let mut places = Places::new(1);
        assert!(places.let_in(at(10)));
        assert!(!places.let_in(at(110)));
        assert!(places.let_in(at(111)), "who has not come by then may not come at all");
        // Both do come: the second waits in a socket that TCP had for it, or tries again.
        assert_eq!((places.take(), places.take()), (1, 2));
        assert!(!places.let_in(at(500)));
        places.give_back();
        assert!(!places.let_in(at(1_000)));
        places.give_back();
        assert!(places.let_in(at(1_000)));
    }

    #[test]
    fn an_idle_connection_ends_for_each_who_was_not_let_in() {
        let mut places = Places::new(2);
        for _ in 0..2 {
            assert!(places.let_in(at(0)));
            places.take();
        }
        assert!(!places.makes_room(at(0), at(60_000)), "nobody wants a place");
        assert!(!places.let_in(at(60_000)));
        assert!(!places.makes_room(at(59_001), at(60_000)), "it was idle for too short a time");
        assert!(places.makes_room(at(59_000), at(60_000)));
        assert!(!places.makes_room(at(0), at(60_000)), "one for one");
        // However often somebody tries, no more end than there are.
        for second in 61..70 {
            assert!(!places.let_in(at(second * 1_000)));
        }
        let ended = (0..9).filter(|_| places.makes_room(at(0), at(70_000))).count();
        assert_eq!(ended, 2);
    }

    #[test]
    fn what_is_given_back_too_often_makes_no_places() {
        let mut places = Places::new(1);
        places.give_back();
        assert_eq!(places.taken(), 0);
        assert!(places.let_in(at(0)));
        assert!(!places.let_in(at(0)));
    }
}

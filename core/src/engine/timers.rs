//! Deadlines of sessions. Each kind has one fixed duration, so a list in order of arming is sorted already: nothing is
//! ever searched, however many clients there are.

use crate::engine::session::Session;
use crate::memory::Storage;
use crate::table::{NONE, Slot, Table};
use crate::time::Instant;

/// What a deadline of a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerKind {
    /// The client has not joined a namespace: close the session.
    Connect,
    /// The client was not told that its session is closed: forget it.
    Linger,
    /// A poll that waits during an upgrade is answered with a NOOP.
    Noop,
    /// The next PING is due (Engine.IO protocol, "Heartbeat").
    Ping,
    /// The answer to a PING is overdue.
    Pong,
    /// The client holds memory that all share and has taken nothing since: close the session. Where that memory is short, the
    /// first of these goes before its time.
    Stalled,
    /// A probing WebSocket did not finish the upgrade: close it.
    Upgrade,
}

impl TimerKind {
    const COUNT: usize = 7;
    const ALL: [Self; Self::COUNT] =
        [Self::Connect, Self::Linger, Self::Noop, Self::Ping, Self::Pong, Self::Stalled, Self::Upgrade];

    /// Kinds that are never armed together share a link of the session. The first is the one that each packet arms.
    const fn place(self) -> usize {
        match self {
            Self::Stalled => 0,
            Self::Linger | Self::Ping | Self::Pong => 1,
            Self::Connect => 2,
            Self::Noop | Self::Upgrade => 3,
        }
    }
}

/// A session's places in the lists.
#[derive(Debug, Default)]
pub(crate) struct Links([Link; 4]);

#[derive(Clone, Copy, Debug)]
struct Link {
    kind: Option<TimerKind>,
    previous: u32,
    next: u32,
    deadline: Instant,
}

impl Default for Link {
    fn default() -> Self {
        Self { kind: None, previous: NONE, next: NONE, deadline: Instant::from_ms(0) }
    }
}

/// The sessions for which one kind is armed.
#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
    armed: u32,
    /// When the first is due. It is asked for with every input, and must not cost a look at a session.
    due: Instant,
}

/// When nothing is armed.
const NEVER: Instant = Instant::from_ms(u64::MAX);

/// The lists.
#[derive(Debug)]
pub(crate) struct Timers([List; TimerKind::COUNT]);

impl Timers {
    pub(crate) const fn new() -> Self {
        Self([List { head: NONE, tail: NONE, armed: 0, due: NEVER }; TimerKind::COUNT])
    }

    /// Arms `kind` for the session; what shared its link is disarmed.
    pub(crate) fn arm<S: Storage<Slot<Session>>>(
        &mut self,
        sessions: &mut Table<Session, S>,
        index: u32,
        kind: TimerKind,
        deadline: Instant,
    ) {
        self.disarm(sessions, index, kind);
        let list = &mut self.0[kind as usize];
        list.armed += 1;
        let tail = core::mem::replace(&mut list.tail, index);
        sessions[index].links.0[kind.place()] = Link { kind: Some(kind), previous: tail, next: NONE, deadline };
        if tail == NONE {
            (list.head, list.due) = (index, deadline);
        } else {
            sessions[tail].links.0[kind.place()].next = index;
        }
    }

    /// Disarms `kind` and whatever else shares its link.
    pub(crate) fn disarm<S: Storage<Slot<Session>>>(
        &mut self,
        sessions: &mut Table<Session, S>,
        index: u32,
        kind: TimerKind,
    ) {
        let place = kind.place();
        let link = core::mem::take(&mut sessions[index].links.0[place]);
        let Some(armed) = link.kind else { return };
        let list = &mut self.0[armed as usize];
        list.armed -= 1;
        let mut due_next = NEVER;
        if link.next == NONE {
            list.tail = link.previous;
        } else {
            let next = &mut sessions[link.next].links.0[place];
            next.previous = link.previous;
            due_next = next.deadline;
        }
        if link.previous == NONE {
            (list.head, list.due) = (link.next, due_next);
        } else {
            sessions[link.previous].links.0[place].next = link.next;
        }
    }

    pub(crate) fn disarm_all<S: Storage<Slot<Session>>>(&mut self, sessions: &mut Table<Session, S>, index: u32) {
        for kind in [TimerKind::Ping, TimerKind::Connect, TimerKind::Upgrade, TimerKind::Stalled] {
            self.disarm(sessions, index, kind);
        }
    }

    /// Whether exactly `kind` is armed for the session.
    pub(crate) fn is_armed(session: &Session, kind: TimerKind) -> bool {
        session.links.0[kind.place()].kind == Some(kind)
    }

    /// When `kind` is due for the session for which it is armed.
    pub(crate) const fn deadline_of(session: &Session, kind: TimerKind) -> Instant {
        session.links.0[kind.place()].deadline
    }

    /// For how many sessions `kind` is armed.
    pub(crate) const fn armed(&self, kind: TimerKind) -> u32 {
        self.0[kind as usize].armed
    }

    /// The session that was armed first.
    pub(crate) fn first(&self, kind: TimerKind) -> Option<u32> {
        let List { head, .. } = self.0[kind as usize];
        (head != NONE).then_some(head)
    }

    /// When the first one of this kind is due.
    pub(crate) fn first_deadline(&self, kind: TimerKind) -> Option<Instant> {
        self.first(kind).map(|_| self.0[kind as usize].due)
    }

    /// The earliest deadline of all.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = self.0.iter().fold(NEVER, |due, list| due.min(list.due));
        (due != NEVER).then_some(due)
    }

    /// Disarms one deadline that is not after `now` and says whose it was, and when it was due.
    pub(crate) fn expire<S: Storage<Slot<Session>>>(
        &mut self,
        sessions: &mut Table<Session, S>,
        now: Instant,
    ) -> Option<(u32, TimerKind, Instant)> {
        let kind = TimerKind::ALL.into_iter().find(|kind| self.first_deadline(*kind).is_some_and(|due| due <= now))?;
        let List { head, due, .. } = self.0[kind as usize];
        self.disarm(sessions, head, kind);
        Some((head, kind, due))
    }
}

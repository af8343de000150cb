//! What all connections share: the server, the time, and how much memory was ever in use.

use core::cell::{Cell, RefCell, RefMut};

use embassy_time::{Duration, Instant};
use sprat_core::chat::Chat;
use sprat_core::frames::Frames as _;
use sprat_core::lines::Lines;
use sprat_core::memory::Lent;
use sprat_core::time::{self, Now, UnixTime};

use crate::Board;
use crate::entropy::SeededEntropy;
use crate::limits::{CLIENTS, CONNECTIONS, FRAMES_BYTES};

/// Time that a place is kept for a connection whose handshake is not complete.
const HANDSHAKE_TIME: Duration = Duration::from_millis(100);

/// The server of this firmware.
pub(crate) type ChatLines = Lines<Chat<'static>, Lent<'static, SeededEntropy>>;

/// All tasks run on one executor, so the cells are never contended, and nothing is borrowed across an await.
pub(crate) struct Site {
    lines: RefCell<ChatLines>,
    pub(crate) board: Board,
    /// Wall time at the start, when somebody has told it.
    pub(crate) started: Cell<Option<UnixTime>>,
    /// Connections with a peer.
    taken: Cell<usize>,
    /// Connections that were let in and have not said so yet, and when the last one was.
    coming: Cell<(usize, Instant)>,
    /// How often somebody was not let in for whom no idle connection has ended yet.
    wanted: Cell<usize>,
    marks: Cell<Marks>,
}

/// The most there ever was of what is bounded.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Marks {
    connections: usize,
    clients: usize,
    frames_bytes: usize,
    stack_bytes: usize,
}

impl Site {
    pub(crate) fn new(lines: ChatLines, board: Board) -> Self {
        Self {
            lines: RefCell::new(lines),
            board,
            started: Cell::new(None),
            taken: Cell::new(0),
            coming: Cell::new((0, Instant::MIN)),
            wanted: Cell::new(0),
            marks: Cell::new(Marks::default()),
        }
    }

    pub(crate) fn lines(&self) -> RefMut<'_, ChatLines> {
        self.lines.borrow_mut()
    }

    pub(crate) fn now(&self) -> Now {
        let ms = Instant::now().as_millis();
        let wall = self.started.get().map(|started| UnixTime::from_ms(started.as_ms() + ms as i64));
        Now { instant: time::Instant::from_ms(ms), wall }
    }

    /// A connection has found its peer. Returns how many there are.
    pub(crate) fn take_connection(&self) -> usize {
        self.taken.set(self.taken.get() + 1);
        let (coming, last) = self.coming.get();
        self.coming.set((coming.saturating_sub(1), last));
        self.mark();
        self.taken.get()
    }

    pub(crate) fn give_connection_back(&self) {
        self.taken.set(self.taken.get() - 1);
    }

    /// Whether there is a place for one connection more, which is then kept for it.
    pub(crate) fn let_in(&self) -> bool {
        let (coming, last) = self.coming.get();
        let coming = if last.elapsed() > HANDSHAKE_TIME { 0 } else { coming };
        let is_free = self.taken.get() + coming < CONNECTIONS;
        if is_free {
            self.coming.set((coming + 1, Instant::now()));
        } else {
            self.wanted.set((self.wanted.get() + 1).min(CONNECTIONS));
        }
        is_free
    }

    /// Whether an idle connection is to end, because somebody was not let in. Each such is asked for once.
    pub(crate) fn makes_room(&self) -> bool {
        let wanted = self.wanted.get();
        self.wanted.set(wanted.saturating_sub(1));
        wanted > 0
    }

    /// Notes how much is in use.
    pub(crate) fn mark(&self) {
        let (clients, frames_bytes) = self.in_use();
        let marks = self.marks.get();
        self.marks.set(Marks {
            connections: marks.connections.max(self.taken.get()),
            clients: marks.clients.max(clients),
            frames_bytes: marks.frames_bytes.max(frames_bytes),
            ..marks
        });
    }

    /// Clients, and bytes of frames.
    fn in_use(&self) -> (usize, usize) {
        let lines = self.lines();
        (lines.server().sessions(), lines.server().frames().used_bytes())
    }

    /// Writes the marks.
    pub(crate) fn log_marks(&self) {
        let (stack_bytes, stack_len) = (self.board.stack_bytes)();
        let marks = Marks { stack_bytes, ..self.marks.get() };
        self.marks.set(marks);
        let Marks { connections, clients, frames_bytes, .. } = marks;
        let (clients_now, frames_now) = self.in_use();
        let connections_now = self.taken.get();
        (self.board.log)(format_args!(
            "marks: stack {stack_bytes}/{stack_len} frames {frames_bytes}/{FRAMES_BYTES} clients {clients}/{CLIENTS} \
             connections {connections}/{CONNECTIONS} frames_now {frames_now} clients_now {clients_now} \
             connections_now {connections_now} busy_us {}",
            (self.board.busy_us)()
        ));
    }
}

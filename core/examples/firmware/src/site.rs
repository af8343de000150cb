//! What all connections share: the server, the time, and how much memory was ever in use.

use core::cell::{Cell, RefCell, RefMut};

use embassy_time::Instant;
use sprat_core::chat::Chat;
use sprat_core::frames::Frames as _;
use sprat_core::lines::Lines;
use sprat_core::memory::Lent;
use sprat_core::time::{self, Now, UnixTime};

use crate::Board;
use crate::entropy::SeededEntropy;
use crate::limits::{CLIENTS, CONNECTIONS, FRAMES_BYTES};

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

    /// The `Date` field of an answer, its line end in front; nothing while the time of day is not known (RFC 9110, 6.6.1).
    pub(crate) fn date_field(&self) -> heapless::Vec<u8, 37, u8> {
        let mut field = heapless::Vec::new();
        if let Some(wall) = self.now().wall {
            // 8 bytes and 29 are the capacity.
            let _ = field.extend_from_slice(b"\r\nDate: ").and_then(|()| field.extend_from_slice(&wall.http_date()));
        }
        field
    }

    /// A connection has found its peer. Returns how many there are.
    pub(crate) fn take_connection(&self) -> usize {
        self.taken.set(self.taken.get() + 1);
        self.mark();
        self.taken.get()
    }

    pub(crate) fn give_connection_back(&self) {
        self.taken.set(self.taken.get() - 1);
    }

    /// Whether nobody else would be let in.
    pub(crate) fn is_full(&self) -> bool {
        self.taken.get() >= CONNECTIONS
    }

    /// Notes how much is in use.
    pub(crate) fn mark(&self) {
        let (clients, frames_bytes) = {
            let lines = self.lines();
            (lines.server().sessions(), lines.server().frames().used_bytes())
        };
        let marks = self.marks.get();
        self.marks.set(Marks {
            connections: marks.connections.max(self.taken.get()),
            clients: marks.clients.max(clients),
            frames_bytes: marks.frames_bytes.max(frames_bytes),
            ..marks
        });
    }

    /// Writes the marks.
    pub(crate) fn log_marks(&self) {
        let (stack_bytes, stack_len) = (self.board.stack_bytes)();
        let marks = Marks { stack_bytes, ..self.marks.get() };
        self.marks.set(marks);
        let Marks { connections, clients, frames_bytes, .. } = marks;
        (self.board.log)(format_args!(
            "marks: stack {stack_bytes}/{stack_len} frames {frames_bytes}/{FRAMES_BYTES} clients {clients}/{CLIENTS} \
             connections {connections}/{CONNECTIONS} now {} busy_us {}",
            self.taken.get(),
            (self.board.busy_us)()
        ));
    }
}

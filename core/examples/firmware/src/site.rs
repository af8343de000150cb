//! What all connections share: the server, the time, and how much memory was ever in use.

use core::cell::{Cell, RefCell, RefMut};

use embassy_time::Instant;
use sprat_core::chat::Chat;
use sprat_core::connection::Places;
use sprat_core::entropy::SeededEntropy;
use sprat_core::frames::Frames as _;
use sprat_core::lines::Lines;
use sprat_core::memory::Lent;
use sprat_core::time::{self, Now, UnixTime};

use crate::Board;
use crate::limits::{CLIENTS, CONNECTIONS, FRAMES_BYTES};

/// The server of this firmware.
pub(crate) type ChatLines = Lines<Chat<'static>, Lent<'static, SeededEntropy>>;

/// All tasks run on one executor, so the cells are never contended, and nothing is borrowed across an await.
pub(crate) struct Site {
    lines: RefCell<ChatLines>,
    pub(crate) board: Board,
    places: RefCell<Places>,
    /// Wall time at the start, when somebody has told it.
    pub(crate) origin: Cell<Option<UnixTime>>,
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
            places: RefCell::new(Places::new(CONNECTIONS)),
            origin: Cell::new(None),
            marks: Cell::new(Marks::default()),
        }
    }

    pub(crate) fn lines(&self) -> RefMut<'_, ChatLines> {
        self.lines.borrow_mut()
    }

    pub(crate) fn places(&self) -> RefMut<'_, Places> {
        self.places.borrow_mut()
    }

    pub(crate) fn now(&self) -> Now {
        Now::since_origin(time::Instant::from_ms(Instant::now().as_millis()), self.origin.get())
    }

    /// Notes how much is in use.
    pub(crate) fn mark(&self) {
        let (clients, frames_bytes) = self.in_use();
        let marks = self.marks.get();
        self.marks.set(Marks {
            connections: marks.connections.max(self.places().taken()),
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
        let connections_now = self.places().taken();
        (self.board.log)(format_args!(
            "marks: stack {stack_bytes}/{stack_len} frames {frames_bytes}/{FRAMES_BYTES} clients {clients}/{CLIENTS} \
             connections {connections}/{CONNECTIONS} frames_now {frames_now} clients_now {clients_now} \
             connections_now {connections_now} busy_us {}",
            (self.board.busy_us)()
        ));
    }
}

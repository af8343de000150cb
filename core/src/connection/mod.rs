//! One TCP connection of a driver that has little memory: HTTP/1.1 until it becomes a WebSocket, all of it in one buffer.
//!
//! It is a state machine like the server. The driver moves the bytes and keeps the time:
//!
//! 1. [`Connection::step`] does what can be done and says what it waits for: [`Step`].
//! 2. The driver reads into [`Connection::spare`] and says so with [`Connection::received`], or lets [`Connection::write`] fill
//!    the room that its socket has; then it steps again, as it does at the time named and when its task is woken.
//!
//! | file | what it does |
//! | --- | --- |
//! | `request.rs` | heads, and where a request goes: to the pages or to the server |
//! | `body.rs` | bodies of requests, wanted and not |
//! | `websocket.rs` | messages in, packets out |
//! | `sending.rs` | bytes out, piece by piece, without a copy in between |
//! | `pages.rs` | files, from wherever they lie |
//! | `places.rs` | who is let in while connections are few, beside all this |

mod body;
mod pages;
mod places;
mod request;
mod sending;
mod websocket;

use core::task::Context;

pub use pages::Page;
pub use places::{IDLE_LOOK, Places};

use crate::app::App;
use crate::connection::body::Rest;
use crate::connection::request::Request;
use crate::connection::sending::Sending;
use crate::engine::session::CloseReason;
use crate::ids::{RequestId, SessionId, TransportId};
use crate::lines::{Lines, Signals};
use crate::memory::Memory;
use crate::time::{Duration, Instant, Now};
use crate::wire::message::MessageReader;

/// Time a head or a body may take, and a connection without a request may stay.
pub const READ_TIMEOUT: Duration = Duration::from_ms(10_000);
/// Time a peer may take to let a piece of an answer in.
const WRITE_TIMEOUT: Duration = Duration::from_ms(30_000);
/// How often it is looked whether what is held back may be dealt with.
const HOLD: Duration = Duration::from_ms(2);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing more: it is over.
    End(End),
    /// Whichever of these comes first, or that the task is woken.
    Wait {
        /// Bytes from the peer.
        read: bool,
        /// Room for bytes to the peer.
        write: bool,
        /// A time.
        until: Option<Instant>,
    },
    /// That the others had their turn.
    Yield,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At once.
    Drop,
    /// What is still coming is to be read for a while, so that the last answer is not lost.
    Linger,
}

/// What is to be done when nothing is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server's answer to a request is awaited; with a session, for longer.
    Answer {
        request: RequestId,
        session: Option<SessionId>,
    },
    /// `len` bytes of a body are at the front of the buffer.
    Body {
        request: RequestId,
        session: SessionId,
        len: usize,
    },
    Ended(End),
    /// The rest of a body is read and forgotten.
    Forget {
        forgotten: usize,
    },
    /// The next request is awaited.
    Head,
    /// The packets for a poll, of which so many are left, are the body of its answer.
    Packets {
        request: RequestId,
        transport: TransportId,
        left: usize,
        is_first: bool,
    },
    /// The body at the front of the buffer is brought to the server from `at` on.
    Parts {
        request: RequestId,
        session: SessionId,
        len: usize,
        at: usize,
    },
    WebSocket {
        transport: TransportId,
    },
}

/// One connection.
#[derive(Debug)]
pub struct Connection<'b> {
    line: u32,
    pages: &'static [Page],
    /// What has come and is not dealt with yet; the reader has it when there is one.
    buffer: &'b mut [u8],
    filled: usize,
    reader: Option<MessageReader<'b>>,
    request: Request,
    rest: Rest,
    signals: Signals,
    stage: Stage,
    sending: Sending,
    /// How much of it the peer's socket has.
    sent: usize,
    /// When the stage began, or something was sent last.
    began: Instant,
}

impl<'b> Connection<'b> {
    /// A connection that has just been accepted, on a line that is open. The buffer has room for a payload and
    /// [`crate::wire::message::MESSAGE_OVERHEAD_BYTES`]; a longer head is refused.
    pub fn new(line: u32, buffer: &'b mut [u8], pages: &'static [Page], now: Now) -> Self {
        Self {
            line,
            pages,
            buffer,
            filled: 0,
            reader: None,
            request: Request::default(),
            rest: Rest::Nothing,
            signals: Signals::default(),
            stage: Stage::Head,
            sending: Sending::Nothing,
            sent: 0,
            began: now.instant,
        }
    }

    /// Does what can be done.
    // What it calls is not inlined, because of the stack: each would hold its part while another goes deep.
    pub fn step<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now, cx: &Context<'_>) -> Step {
        loop {
            if self.is_late(now) {
                self.late(lines, now);
            }
            if self.sending != Sending::Nothing {
                if self.is_wanted(lines, cx) {
                    return Step::Wait { read: false, write: true, until: self.deadline() };
                }
                self.sending = Sending::Nothing;
                self.stage = Stage::Ended(End::Drop);
            }
            let step = match self.stage {
                Stage::Answer { request, session } => self.await_answer(lines, now, cx, request, session),
                Stage::Body { request, session, len } => self.collect_body(lines, now, cx, request, session, len),
                Stage::Ended(end) => Some(Step::End(end)),
                Stage::Forget { forgotten } => self.forget_body(now, forgotten),
                Stage::Head => self.await_head(lines, now),
                Stage::Packets { request, transport, left, is_first } => {
                    self.next_packet(lines, now, request, transport, left, is_first)
                }
                Stage::Parts { request, session, len, at } => self.bring_part(lines, now, request, session, len, at),
                Stage::WebSocket { transport } => self.websocket(lines, now, cx, transport),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Where the peer's next bytes go.
    pub fn spare(&mut self) -> &mut [u8] {
        match &mut self.reader {
            Some(reader) => reader.spare(),
            None => self.buffer.get_mut(self.filled..).unwrap_or_default(),
        }
    }

    /// The first `len` bytes of [`Self::spare`] have come; with none, the peer has ended its side.
    pub fn received<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now, len: usize) {
        match &mut self.reader {
            _ if len == 0 => self.lost(lines, now, CloseReason::TransportClose),
            Some(reader) => reader.advance(len),
            None => self.filled = (self.filled + len).min(self.buffer.len()),
        }
    }

    /// The connection has failed.
    pub fn failed<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now) {
        self.lost(lines, now, CloseReason::TransportError);
    }

    /// Since when there has been no request and nothing of one.
    pub fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.stage == Stage::Head && self.sending == Sending::Nothing && self.filled == 0;
        is_idle.then_some(self.began)
    }

    fn go(&mut self, stage: Stage, now: Now) {
        self.stage = stage;
        self.began = now.instant;
    }

    /// Sends something before the stage goes on.
    fn send(&mut self, sending: Sending, now: Now) {
        self.sending = sending;
        self.sent = 0;
        self.began = now.instant;
    }

    fn deadline(&self) -> Option<Instant> {
        match (self.sending, self.stage) {
            (Sending::Nothing, Stage::Body { .. } | Stage::Forget { .. } | Stage::Head) => {
                Some(self.began + READ_TIMEOUT)
            }
            (Sending::Nothing, _) => None,
            _ => Some(self.began + WRITE_TIMEOUT),
        }
    }

    fn is_late(&self, now: Now) -> bool {
        self.deadline().is_some_and(|deadline| now.instant >= deadline)
    }

    #[inline(never)]
    fn late<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now) {
        match (self.sending, self.stage) {
            (Sending::Nothing, Stage::Head) if self.filled > 0 => self.refuse_head(408, now),
            (Sending::Nothing, Stage::Forget { .. } | Stage::Head) => self.stage = Stage::Ended(End::Linger),
            _ => self.lost(lines, now, CloseReason::TransportError),
        }
    }

    /// Whether what is being sent is still wanted: the frames that it refers to last no longer than that.
    fn is_wanted<A: App, M: Memory>(&self, lines: &mut Lines<A, M>, cx: &Context<'_>) -> bool {
        match self.stage {
            Stage::WebSocket { transport } => {
                lines.poll_close(self.line, cx).is_pending() && lines.server().is_attached(transport)
            }
            Stage::Packets { transport, .. } => lines.server().is_attached(transport),
            Stage::Answer { .. }
            | Stage::Body { .. }
            | Stage::Ended(_)
            | Stage::Forget { .. }
            | Stage::Head
            | Stage::Parts { .. } => true,
        }
    }

    /// The connection is of no use any more, which the server is told if it counts on it.
    #[inline(never)]
    fn lost<A: App, M: Memory>(&mut self, lines: &mut Lines<A, M>, now: Now, reason: CloseReason) {
        let line = self.line;
        self.sending = Sending::Nothing;
        let end = match self.stage {
            Stage::Answer { request, session: Some(session) }
            | Stage::Body { request, session, .. }
            | Stage::Parts { request, session, .. } => {
                lines.request_lost(now, line, request, session);
                End::Drop
            }
            Stage::Packets { request, transport, .. } => {
                lines.request_lost(now, line, request, transport.session());
                End::Drop
            }
            Stage::WebSocket { transport } => {
                lines.lost(now, line, transport, reason);
                if reason == CloseReason::TransportClose { End::Linger } else { End::Drop }
            }
            Stage::Answer { session: None, .. } | Stage::Ended(_) | Stage::Forget { .. } | Stage::Head => End::Drop,
        };
        self.stage = Stage::Ended(end);
    }

    /// Forgets the first bytes that have come.
    fn consume(&mut self, len: usize) {
        let len = len.min(self.filled);
        self.buffer.copy_within(len..self.filled, 0);
        self.filled -= len;
    }

    /// Waits for bytes from the peer, if there is room for them.
    fn wait_to_read(&self) -> Option<Step> {
        let read = self.reader.is_some() || self.filled < self.buffer.len();
        Some(Step::Wait { read, write: false, until: self.deadline() })
    }
}

#[cfg(test)]
mod tests;

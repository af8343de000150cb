//! Bodies of requests: collected at the front of the buffer, or read and forgotten.

use core::task::Context;

use crate::app::App;
use crate::connection::{Connection, End, HOLD, Stage, Step};
use crate::engine::session::CloseReason;
use crate::error::PeerError;
use crate::ids::{RequestId, SessionId};
use crate::lines::Lines;
use crate::memory::Memory;
use crate::time::Now;
use crate::wire::http::{Body, Chunk, ChunkedDecoder};
use crate::wire::payload;

/// Bytes of an unwanted body that are read and forgotten, so that its connection can be used again.
pub(super) const UNREAD_BYTES_MAX: usize = 64 << 10;

/// What of a body is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Chunks(ChunkedDecoder),
    Length(usize),
    Nothing,
}

impl Rest {
    pub(super) fn of(body: Body) -> Self {
        match body {
            Body::Chunked => Self::Chunks(ChunkedDecoder::new()),
            Body::None | Body::Length(0) => Self::Nothing,
            Body::Length(len) => Self::Length(usize::try_from(len).unwrap_or(usize::MAX)),
        }
    }

    /// Takes a piece of a body out of `bytes`: how much was used, and how much of that, at its end, is data.
    fn take(&mut self, bytes: &[u8]) -> Result<(usize, usize), PeerError> {
        let (used, data_len, rest) = match *self {
            Self::Nothing => (0, 0, Self::Nothing),
            Self::Length(len) if len <= bytes.len() => (len, len, Self::Nothing),
            Self::Length(len) => (bytes.len(), bytes.len(), Self::Length(len - bytes.len())),
            Self::Chunks(mut decoder) => match decoder.decode(bytes)? {
                (used, Chunk::Data(data)) => (used, data.len(), Self::Chunks(decoder)),
                (used, Chunk::End) => (used, 0, Self::Nothing),
                (used, Chunk::Partial) => (used, 0, Self::Chunks(decoder)),
            },
        };
        *self = rest;
        Ok((used, data_len))
    }
}

impl Connection<'_> {
    /// Collects the body of a POST, or says that it is too large and leaves the rest to come.
    #[inline(never)]
    pub(super) fn collect_body<A: App, M: Memory>(
        &mut self,
        lines: &mut Lines<A, M>,
        now: Now,
        cx: &Context<'_>,
        request: RequestId,
        session: SessionId,
        mut len: usize,
    ) -> Option<Step> {
        if lines.poll_parked(self.line, cx).is_ready() {
            // The session has ended meanwhile.
            self.consume(len);
            self.go(Stage::Answer { request, session: Some(session) }, now);
            return None;
        }
        let len_max = lines.server().limits().payload_bytes_max as usize;
        while self.rest != Rest::Nothing {
            let Ok((used, data_len)) = self.rest.take(self.buffer.get(len..self.filled).unwrap_or_default()) else {
                self.lost(lines, now, CloseReason::TransportError);
                return None;
            };
            let behind = len + used;
            if len + data_len > len_max {
                self.consume(behind);
                lines.body(now, self.line, request, session, None);
                self.go(Stage::Answer { request, session: Some(session) }, now);
                return None;
            }
            // The data is the last of what was used.
            self.buffer.copy_within(behind - data_len..behind, len);
            len += data_len;
            self.buffer.copy_within(behind..self.filled, len);
            self.filled -= behind - len;
            if used == 0 && self.rest != Rest::Nothing {
                self.stage = Stage::Body { request, session, len };
                return self.wait_to_read();
            }
        }
        self.go(Stage::Parts { request, session, len, at: 0 }, now);
        None
    }

    /// Brings the next packet of a body to the server. Each may be for all, and is held back like a message on a WebSocket.
    #[inline(never)]
    pub(super) fn bring_part<A: App, M: Memory>(
        &mut self,
        lines: &mut Lines<A, M>,
        now: Now,
        request: RequestId,
        session: SessionId,
        len: usize,
        at: usize,
    ) -> Option<Step> {
        if !lines.admits(now.instant) {
            return Some(Step::Wait { read: false, write: false, until: Some(now.instant + HOLD) });
        }
        lines.admit(now.instant);
        let rest = self.buffer.get(at..len).unwrap_or_default();
        if let Some(end) = rest.iter().position(|byte| *byte == payload::SEPARATOR) {
            let part = rest.get(..end).unwrap_or_default();
            lines.body_part(now, self.line, request, session, part);
            self.stage = Stage::Parts { request, session, len, at: at + end + 1 };
            return None;
        }
        lines.body(now, self.line, request, session, Some(rest));
        self.consume(len);
        self.go(Stage::Answer { request, session: Some(session) }, now);
        None
    }

    /// Reads and forgets what nobody wants, if it is short.
    #[inline(never)]
    pub(super) fn forget_body(&mut self, now: Now, forgotten: usize) -> Option<Step> {
        let taken = self.rest.take(self.buffer.get(..self.filled).unwrap_or_default());
        let used = taken.map_or(usize::MAX, |(used, _)| used);
        let forgotten = forgotten.saturating_add(used);
        if forgotten > UNREAD_BYTES_MAX {
            self.stage = Stage::Ended(End::Linger);
            return None;
        }
        self.consume(used);
        if self.rest == Rest::Nothing {
            self.go(Stage::Head, now);
            // Who asks without a pause does not keep the others from their turn.
            return Some(Step::Yield);
        }
        self.stage = Stage::Forget { forgotten };
        if used == 0 { self.wait_to_read() } else { None }
    }
}

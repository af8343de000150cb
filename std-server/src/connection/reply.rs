//! The answer to a poll that waits: the engine completes and sends it, so that the task of the connection need not be woken.

use std::net::TcpStream;
use std::rc::Rc;
use std::time::Instant;

use sprat_core::{Response, TransportId};

use crate::connection::date::Date;
use crate::connection::stream::send;
use crate::reactor::Source;

/// The longest body that the engine completes an answer with.
pub(super) const BODY_BYTES_MAX: usize = 1 << 10;
/// The usual length of the head of an answer.
const HEAD_BYTES: usize = 256;

/// An answer of which only the body is not known yet.
#[derive(Debug)]
pub(crate) struct Reply {
    socket: Rc<Source<TcpStream>>,
    date: Rc<Date>,
    fields: Fields,
    body_bytes_max: usize,
    /// Its task has more to do when it is sent.
    wakes: bool,
    progress: Progress,
}

/// How far it is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It has not begun.
    Waiting,
    /// This much of it is to be sent yet, and then the engine told that the packets of this transport are.
    Begun(Vec<u8>, TransportId),
    /// It was sent, at this time.
    Sent(Option<Instant>),
}

/// What the head of an answer says besides what the answer itself does.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// Header fields for whatever it is answered, each with its line end in front.
    pub(super) always: String,
    /// Header fields for answers that are not errors.
    pub(super) success: String,
}

impl Fields {
    /// The head of an answer, with room behind it.
    pub(super) fn head(
        &self,
        date: &Date,
        response: &Response,
        body_len: usize,
        keep_alive: bool,
        room: usize,
    ) -> Vec<u8> {
        let success = if response.status == 200 { self.success.as_bytes() } else { b"" };
        let mut head = Vec::with_capacity(HEAD_BYTES + self.always.len() + success.len() + room);
        date.with_field(|date| {
            let fields = [self.always.as_bytes(), date.as_bytes(), success];
            response.encode_head(body_len, keep_alive, &fields, &mut |piece| head.extend_from_slice(piece));
        });
        head
    }
}

impl Reply {
    /// For polls on a connection.
    pub(crate) fn on(socket: Rc<Source<TcpStream>>, date: Rc<Date>) -> Box<Self> {
        let (fields, progress) = (Fields::default(), Progress::Waiting);
        Box::new(Self { socket, date, fields, body_bytes_max: BODY_BYTES_MAX, wakes: false, progress })
    }

    /// For the next poll. A body that is longer is left to the task.
    pub(super) fn renew(&mut self, fields: Fields, body_bytes_max: usize) {
        (self.fields, self.body_bytes_max) = (fields, body_bytes_max);
        (self.wakes, self.progress) = (false, Progress::Waiting);
    }

    /// Takes the fields, for who answers in another way.
    pub(super) fn take_fields(&mut self) -> Fields {
        core::mem::take(&mut self.fields)
    }

    /// Takes how far it is.
    pub(crate) fn take_progress(&mut self) -> Progress {
        core::mem::replace(&mut self.progress, Progress::Waiting)
    }

    /// The socket that it is sent on.
    #[cfg(test)]
    pub(crate) fn socket(&self) -> &TcpStream {
        self.socket.io()
    }

    /// Whether a body of this length is for the engine to send.
    pub(crate) const fn takes(&self, body_bytes: usize) -> bool {
        body_bytes <= self.body_bytes_max
    }

    /// Whether some of it may be sent.
    pub(crate) const fn is_begun(&self) -> bool {
        !matches!(self.progress, Progress::Waiting)
    }

    /// Takes the body. The connection stays open behind it.
    pub(crate) fn begin(&mut self, transport: TransportId, response: &Response, body: &[u8]) {
        let mut bytes = self.fields.head(&self.date, response, body.len(), true, body.len());
        bytes.extend_from_slice(body);
        self.progress = Progress::Begun(bytes, transport);
    }

    /// Sends what fits. Returns whether all of it is sent.
    pub(crate) fn send(&mut self) -> bool {
        let Progress::Begun(bytes, _) = &mut self.progress else { return true };
        match send(self.socket.io(), bytes) {
            Ok(len) if len == bytes.len() => true,
            Ok(len) => {
                bytes.drain(..len);
                false
            }
            // Whatever it is: who tries again sees it.
            Err(_) => false,
        }
    }

    /// The task is to be woken also when all of it is sent.
    pub(crate) const fn set_wakes(&mut self) {
        self.wakes = true;
    }

    /// Whether it is.
    pub(crate) const fn wakes(&self) -> bool {
        self.wakes
    }

    /// All of it is sent, at this time.
    pub(crate) fn end(&mut self, now: Option<Instant>) {
        self.progress = Progress::Sent(now);
    }
}

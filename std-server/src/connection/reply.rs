//! The answer to a poll that waits: the engine completes and sends it, so that the task of the connection need not be woken.

use core::pin::Pin;
use core::task::Poll;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Instant;

use sprat_core::{App, RequestId, Response, SessionId, TransportId};

use crate::connection::date::Date;
use crate::connection::http::{Connection, Next};
use crate::connection::request::Request;
use crate::connection::stream::send;
use crate::reactor::Source;

/// The longest body that the engine completes an answer with.
const BODY_BYTES_MAX: usize = 1 << 10;
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
    fn renew(&mut self, fields: Fields, body_bytes_max: usize) {
        (self.fields, self.body_bytes_max) = (fields, body_bytes_max);
        (self.wakes, self.progress) = (false, Progress::Waiting);
    }

    /// Takes the fields, for who answers in another way.
    fn take_fields(&mut self) -> Fields {
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

impl<A: App> Connection<A> {
    /// Waits until a parked request is answered. Returns how the connection goes on, unless the answer is left to be sent.
    pub(super) async fn park(
        &mut self,
        id: RequestId,
        session: SessionId,
        request: &mut Request,
    ) -> io::Result<Option<Next>> {
        let is_lent = self.lend(request);
        let is_gone = self.wait_parked(is_lent).await;
        let progress = self.take_back(request);
        if is_gone {
            self.line.request_lost(id, session);
            return Ok(Some(Next::Drop));
        }
        match progress {
            Progress::Waiting => Ok(None),
            Progress::Begun(bytes, transport) => self.finish_reply(id, transport, &bytes, request).await.map(Some),
            Progress::Sent(at) => {
                self.replied_at = at;
                Ok(Some(Next::Request))
            }
        }
    }

    /// Lends the engine the answer to a parked request, unless there will be more to do than to send it. Returns whether it has.
    fn lend(&mut self, request: &mut Request) -> bool {
        let Self { incoming, line, reply: kept, site, counted, .. } = self;
        // What is compressed is for the task.
        let body_bytes_max = match request.coding {
            Some(_) => BODY_BYTES_MAX.min(site.compressed_bytes_min.saturating_sub(1)),
            None => BODY_BYTES_MAX,
        };
        // Who is counted by what a proxy says of it is counted until the answer is sent.
        let is_all = request.keep_alive && request.body.is_nothing() && !request.is_head && counted.is_none();
        if !is_all || !incoming.received.is_empty() {
            return false;
        }
        let mut lent = kept.take().unwrap_or_else(|| Reply::on(incoming.stream.socket(), Rc::clone(&site.date)));
        lent.renew(core::mem::take(&mut request.fields), body_bytes_max);
        line.lend(lent);
        true
    }

    /// Takes back what was lent. Returns how far it is.
    fn take_back(&mut self, request: &mut Request) -> Progress {
        let Some(mut reply) = self.line.take_back() else { return Progress::Waiting };
        request.fields = reply.take_fields();
        let progress = reply.take_progress();
        self.reply = Some(reply);
        progress
    }

    /// Waits until a parked request is answered, by whomever. Returns whether the client is gone before.
    async fn wait_parked(&mut self, is_lent: bool) -> bool {
        let Self { incoming, line, head_timer, site, .. } = self;
        core::future::poll_fn(|cx| {
            if line.poll_parked(cx).is_ready() {
                return Poll::Ready(false);
            }
            if incoming.poll_gone(cx).is_ready() {
                return Poll::Ready(true);
            }
            if !incoming.received.is_empty() {
                // The next request is there already.
                line.set_wakes();
            }
            // When the engine sends the answer, this task learns it with the next request, or when that has not come in time.
            while is_lent && Pin::new(&mut *head_timer).poll(cx).is_ready() {
                head_timer.restart(site.limits.head_timeout);
            }
            Poll::Pending
        })
        .await
    }

    /// Sends what the engine could not send of an answer.
    async fn finish_reply(
        &mut self,
        id: RequestId,
        transport: TransportId,
        bytes: &[u8],
        request: &mut Request,
    ) -> io::Result<Next> {
        if let Err(problem) = self.write(bytes).await {
            self.line.request_lost(id, transport.session());
            return Err(problem);
        }
        self.line.flushed(transport);
        self.end_of_response(true, request).await
    }
}

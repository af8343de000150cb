//! The body of a POST: read in good time, and brought to the engine no faster than its client may send.

use core::pin::pin;
use core::time::Duration;
use std::io;

use sprat_core::wire::payload;
use sprat_core::{App, Pressure, RequestId, SessionId};

use crate::connection::http::Connection;
use crate::connection::pause::Pause;
use crate::connection::request::Request;
use crate::connection::{BODY_PART_PACKETS, within};
use crate::engine::Hold;
use crate::logging::{Notice, notice};
use crate::reactor::Timer;

/// Packets wait for others as messages of so many bytes do at most.
const HELD_BYTES_MAX: usize = 64 << 10;

impl<A: App> Connection<A> {
    /// Reads the body of a POST and brings it to the engine, unless the session ends meanwhile.
    pub(super) async fn read_body(
        &mut self,
        id: RequestId,
        session: SessionId,
        request: &mut Request,
    ) -> io::Result<()> {
        if request.expects_continue {
            if let Err(problem) = self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await {
                self.line.request_lost(id, session);
                return Err(problem);
            }
            request.expects_continue = false;
        }
        let bytes_max = self.site.engine.payload_bytes_max();
        if let Some(body) = request.body.take(&mut self.incoming, bytes_max) {
            return self.bring_or_lose(id, session, Some(&body)).await;
        }
        let Self { incoming, line, .. } = self;
        let timeout = self.site.limits.body_timeout;
        let read = async { Some(within(timeout, pin!(request.body.read(incoming, bytes_max))).await) };
        let answered = async {
            core::future::poll_fn(|cx| line.poll_parked(cx)).await;
            None
        };
        match smol::future::or(answered, read).await {
            None => Ok(()),
            Some(Some(Ok(body))) => self.bring_or_lose(id, session, body.as_deref()).await,
            Some(failed) => {
                self.line.request_lost(id, session);
                notice(Notice::Cut, format_args!("connection of {} cut: a body came in part", self.client.ip()));
                Err(failed.and_then(Result::err).unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Brings a body to the engine, or as much of it as comes before the request is answered: when its session has ended,
    /// nobody is to wait for the rest.
    async fn bring_or_lose(&self, id: RequestId, session: SessionId, body: Option<&[u8]>) -> io::Result<()> {
        let answered = async {
            core::future::poll_fn(|cx| self.line.poll_parked(cx)).await;
            Ok((Pressure::None, 0))
        };
        let brought = smol::future::or(answered, self.bring_body(id, session, body)).await;
        match brought {
            Ok((pressure, bytes)) => {
                // The answer comes when more may be sent.
                // All of it is brought: if it has to make room, only the wait ends.
                let _ = self.wait_after(pressure, bytes).await;
                Ok(())
            }
            Err(problem) => {
                self.line.request_lost(id, session);
                Err(problem)
            }
        }
    }

    /// Brings a body to the engine, a few packets at a time, so that what they cause is sent in between: a body may hold
    /// thousands, each of them for everybody. Returns what its last part brought about, and its length.
    async fn bring_body(
        &self,
        id: RequestId,
        session: SessionId,
        body: Option<&[u8]>,
    ) -> io::Result<(Pressure, usize)> {
        let Some(mut rest) = body else { return Ok((self.line.body(id, session, None), 0)) };
        let is_separator = |byte: &u8| *byte == payload::SEPARATOR;
        let mut packets = 1 + rest.iter().filter(|byte| is_separator(byte)).count();
        while packets > BODY_PART_PACKETS
            && let Some((end, _)) =
                rest.iter().enumerate().filter(|(_, byte)| is_separator(byte)).nth(BODY_PART_PACKETS - 1)
        {
            packets -= BODY_PART_PACKETS;
            self.wait_before(end).await?;
            let pressure = self.line.body_part(id, session, &rest[..end]);
            self.wait_after(pressure, end).await?;
            self.slow_down(self.line.charge(session, BODY_PART_PACKETS, end)).await?;
            // Not only for other tasks: until the other sockets have been looked at.
            Timer::after(Duration::ZERO).await;
            rest = &rest[end + 1..];
        }
        self.slow_down(self.line.charge(session, packets, rest.len())).await?;
        self.wait_before(rest.len()).await?;
        Ok((self.line.body(id, session, Some(rest)), rest.len()))
    }

    /// Lets wait who sends more than it may. What waits may have to make room meanwhile.
    async fn slow_down(&self, wait: Duration) -> io::Result<()> {
        if wait.is_zero() {
            return Ok(());
        }
        self.unless_cut(Timer::after(wait)).await
    }

    async fn unless_cut(&self, wait: impl Future<Output = ()>) -> io::Result<()> {
        let waited = async {
            wait.await;
            Ok(())
        };
        let cut = async {
            self.incoming.stream.until_cut().await;
            Err(io::ErrorKind::OutOfMemory.into())
        };
        smol::future::or(waited, cut).await
    }

    /// Lets packets wait that might be too much for others, for a moment: who waits for the answer to a POST reads nothing meanwhile.
    async fn wait_before(&self, bytes: usize) -> io::Result<()> {
        let mut since = None;
        while let Some(hold) = self.site.engine.hold_before(bytes.min(HELD_BYTES_MAX), &mut since) {
            self.wait_for(hold).await?;
        }
        Ok(())
    }

    /// Lets wait who sends more than others get, for a moment.
    async fn wait_after(&self, pressure: Pressure, bytes: usize) -> io::Result<()> {
        match self.site.engine.hold(pressure, bytes) {
            Some(hold) => self.wait_for(hold).await,
            None => Ok(()),
        }
    }

    async fn wait_for(&self, hold: Hold) -> io::Result<()> {
        let engine = &self.site.engine;
        let mut pause = Pause::new(Duration::ZERO, Some(hold));
        self.unless_cut(core::future::poll_fn(|cx| pause.poll(cx, |hold| engine.is_held(hold)))).await
    }
}

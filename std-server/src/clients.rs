//! The clients of sessions: where they are, and what each may send at once.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use sprat_core::error::PeerError;
use sprat_core::time::Instant;
use sprat_core::{CloseReason, SessionId, app};

use crate::bucket::{Bucket, Rate};
use crate::config::Limits;
use crate::logging::{Notice, notice};

/// The longest that a client is not read at once: its PONG must not lie unread until it is late. What it owes beyond that it
/// owes with its next packet.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is known of each session's client.
#[derive(Debug)]
pub(crate) struct Clients {
    /// By the index of the session.
    all: Vec<Client>,
    packet_rate: Rate,
    byte_rate: Rate,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    /// Its slot may be another's by now, while the rest of what it sent is still brought.
    session: SessionId,
    address: IpAddr,
    packets: Bucket,
    bytes: Bucket,
}

impl Clients {
    pub(crate) const fn new(limits: &Limits) -> Self {
        const fn rate(per_s: usize) -> Rate {
            Rate { per_s: per_s as u64, burst: per_s as u64 }
        }
        Self { all: Vec::new(), packet_rate: rate(limits.packet_rate), byte_rate: rate(limits.byte_rate) }
    }

    /// A session has begun.
    pub(crate) fn opened(&mut self, session: SessionId, address: Option<IpAddr>, now: Instant) {
        let client = Client {
            session,
            address: address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            packets: Bucket::new(self.packet_rate, now),
            bytes: Bucket::new(self.byte_rate, now),
        };
        if self.all.len() <= session.index() {
            self.all.resize(session.index() + 1, client);
        }
        self.all[session.index()] = client;
    }

    /// Counts what a client has sent, and says for how long no more is to be read from it.
    pub(crate) fn charge(&mut self, session: SessionId, packets: usize, bytes: usize, now: Instant) -> Duration {
        let Some(client) = self.all.get_mut(session.index()).filter(|client| client.session == session) else {
            return Duration::ZERO;
        };
        let wait = client.packets.charge(packets as u64, self.packet_rate, now);
        let wait = wait.max(client.bytes.charge(bytes as u64, self.byte_rate, now));
        let wait = wait.min(PAUSE_MAX);
        if !wait.is_zero() {
            notice(Notice::Flood, format_args!("client of {} is read slowly: it sends too much", client.address));
        }
        wait
    }

    /// As [`Self::charge`], for one message.
    pub(crate) fn charge_message(&mut self, session: SessionId, message: app::Message<'_>, now: Instant) -> Duration {
        let bytes = match message {
            app::Message::Binary(bytes) => bytes.len(),
            app::Message::Text(text) => text.len(),
        };
        self.charge(session, 1, bytes, now)
    }

    fn client(&self, session: SessionId) -> Option<&Client> {
        self.all.get(session.index()).filter(|client| client.session == session)
    }

    /// The system has ended a client's connection, because nothing of what was sent to it arrived, or was taken.
    pub(crate) fn untaken(&self, session: SessionId) {
        if let Some(client) = self.client(session) {
            notice(
                Notice::Client,
                format_args!("client of {} cut off: what was sent to it was not taken", client.address),
            );
        }
    }

    /// A session has ended. Whose client was cut off is told, but not who left or fell silent.
    pub(crate) fn closed(&self, session: SessionId, reason: CloseReason, problem: Option<PeerError>) {
        let Some(client) = self.client(session) else { return };
        let cut_off = format_args!("client of {} cut off", client.address);
        match (problem, reason) {
            (Some(PeerError::RequestLost), _) => {}
            (Some(problem), _) => notice(kind_of(problem), format_args!("{cut_off}: {problem}")),
            (None, CloseReason::OutboxFull | CloseReason::Stalled) => {
                notice(Notice::Client, format_args!("{cut_off}: {reason}"));
            }
            (None, _) => {}
        }
    }
}

/// The kind of notice for what a client did wrong.
fn kind_of(problem: PeerError) -> Notice {
    match problem {
        PeerError::EmptyFrames | PeerError::TooLarge | PeerError::Utf8 | PeerError::WebSocketFrame => Notice::Frames,
        PeerError::NoNamespace => Notice::Namespace,
        PeerError::Attachments
        | PeerError::Base64
        | PeerError::ContentType
        | PeerError::EnginePacket
        | PeerError::Heartbeat
        | PeerError::HttpHead
        | PeerError::Json
        | PeerError::JsonDepth
        | PeerError::Namespace
        | PeerError::Overlap
        | PeerError::RequestLost
        | PeerError::SocketPacket => Notice::Packets,
    }
}

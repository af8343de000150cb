//! Identifiers: each an index and a generation, so that a reused slot never receives what was meant for its predecessor.

/// A client of the Engine.IO layer, over whichever transports it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SessionId {
    /// A dense number for the driver's own tables: below the number of sessions that ever lived at once.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// One transport of a session: its long polling, or one WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransportId {
    pub(crate) session: SessionId,
    /// 0 is polling; every WebSocket that is attached to the session gets the next number.
    pub(crate) lane: u16,
}

impl TransportId {
    pub(crate) const POLLING: u16 = 0;

    /// The session that this transport belongs to.
    pub const fn session(self) -> SessionId {
        self.session
    }

    /// Whether packets travel in the bodies of HTTP requests and answers.
    pub const fn is_polling(self) -> bool {
        self.lane == Self::POLLING
    }
}

/// An HTTP request that waits for its answer. The driver makes it, the core hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    index: u32,
    generation: u32,
}

impl RequestId {
    /// The request on the driver's connection number `index`, which has served `generation` requests before.
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The driver's connection number.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// A client's presence in one namespace: what Socket.IO calls a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// An acknowledgement that a client owes us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// An application's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The right to acknowledge one event of one client, once.
///
/// It may be kept and used later, from a timer or another callback; if the client is gone by then, nothing happens.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the client waits for this acknowledgement"]
pub struct Reply {
    pub(crate) socket: SocketId,
    pub(crate) id: u64,
}

/// A random identifier of 20 URL-safe characters: a session id or a socket id (Engine.IO protocol, handshake: `sid`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid {
    text: [u8; Self::LEN],
}

impl Sid {
    /// Length of the text in bytes.
    pub const LEN: usize = 20;

    /// The identifier made of 120 random bits.
    pub fn from_entropy(random: &[u8; 15]) -> Self {
        Self { text: crate::wire::base64::encode_id(random) }
    }

    /// The identifier that is this text: 20 characters out of `A` to `Z`, `a` to `z`, `0` to `9`, `-` and `_`.
    pub fn from_text(text: &str) -> Option<Self> {
        let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let text: [u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        text.iter().all(is_good).then_some(Self { text })
    }

    /// This identifier with the beginning of another, so that both are found in the same place. 96 of its bits stay random.
    pub(crate) fn beside(mut self, other: Self) -> Self {
        let [a, b, c, d, ..] = other.text;
        let [first, second, third, fourth, ..] = &mut self.text;
        (*first, *second, *third, *fourth) = (a, b, c, d);
        self
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// A number to spread identifiers with. They are random already, so their first characters will do.
    pub(crate) fn spread(text: &[u8]) -> u32 {
        let [a, b, c, d] = match text {
            [a, b, c, d, ..] => [*a, *b, *c, *d],
            _ => [0; 4],
        };
        u32::from_le_bytes([a, b, c, d]).wrapping_mul(0x9e37_79b1) >> 7
    }
}

impl Default for Sid {
    fn default() -> Self {
        Self { text: [b'A'; Self::LEN] }
    }
}

impl core::fmt::Debug for Sid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

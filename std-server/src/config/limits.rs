//! How much peers may use: the fields, and their rows in the table of options. `docs/LIMITS.md` says of each what happens
//! when it is hit.

use core::ops::RangeInclusive;
use core::time::Duration;
use std::ffi::OsStr;

use super::cidr::Cidr;
use super::options::{Kind, Setting};
use super::values::text;

/// What peers may use, each alone and all together. [`Limits::default`] is the documented default of each.
///
/// ```
/// use sprat::{Config, config::Limits};
///
/// let limits = Limits { max_outbox_bytes: 100_000, trust_proxy: vec!["10.0.0.0/8".parse()?], ..Limits::default() };
/// let config = Config { limits, ..Config::default() };
/// assert!(config.check().is_ok());
/// # Ok::<(), sprat::config::ValueProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; 0 is two for each client and 256 for pages, the default. Further ones wait to be accepted.
    pub max_connections: usize,
    /// Connections at once from one address; 0 is any number. Loopback is not counted, and an IPv6 network of 64 bits is one
    /// address. By default 256. Further ones are answered 503.
    pub max_connections_by_address: usize,
    /// Handshakes a second from one address; 0 is any number. By default 20. Further ones are answered 429.
    pub handshake_rate: usize,
    /// Handshakes from one address that may come at once, before the rate counts. By default 400.
    pub handshake_burst: usize,
    /// Addresses that are remembered. By default 65,536. Those without connections are forgotten first, then further ones
    /// are answered 503.
    pub max_addresses: usize,
    /// Proxies whose `X-Forwarded-For` is believed. By default none.
    pub trust_proxy: Vec<Cidr>,
    /// Bytes of the head of a request. By default 16,384. A longer one is answered 431.
    pub max_head_bytes: usize,
    /// Time that the head of a request may take, from the beginning of the connection or from the answer before. By default
    /// 10 s. A slower one is answered 408; a connection that says nothing is ended.
    pub head_timeout: Duration,
    /// Time that the body of a request may take. By default 10 s. A slower one ends its connection and session.
    pub body_timeout: Duration,
    /// Time for which what was sent to a client may stay unread; 0 is 2 s more than the ping timeout, the default. Then its
    /// session or connection ends.
    pub unread_timeout: Duration,
    /// Packets a second from one client; 0 is any number. By default 100,000. The rest is read later.
    pub packet_rate: usize,
    /// Bytes a second from one client; 0 is any number. By default 100,000,000. The rest is read later.
    pub byte_rate: usize,
    /// Clients that have joined no namespace yet; 0 is any number. By default 2,000. The one that has waited longest is closed.
    pub max_unconnected: usize,
    /// Namespaces that one client may be in. By default 16. A further CONNECT is answered with an error.
    pub max_namespaces_by_client: usize,
    /// Bytes queued for one client. By default 1,048,576. Over it the client is closed; volatile packets are dropped.
    pub max_outbox_bytes: usize,
    /// Packets queued for one client. By default 4,096. Over it the client is closed; volatile packets are dropped.
    pub max_outbox_packets: usize,
    /// Bytes queued for all clients, names of rooms and what else is kept. By default 67,108,864. Events kept for recovery are
    /// forgotten, then the client that has gone longest without taking anything is closed.
    pub max_outboxes_bytes: usize,
    /// Bytes of all heads, bodies and messages that have come in part, those under 4 KiB not counted. By default 67,108,864. The
    /// connection whose is oldest is cut off.
    pub max_incoming_bytes: usize,
    /// Bytes of all files of the folder of pages that are being sent. By default 67,108,864. A further file is answered 503.
    pub max_static_bytes: usize,
    /// Nesting of JSON from a client. By default 128. Deeper ends the session.
    pub max_json_depth: usize,
    /// Acknowledgements that one socket may owe. By default 256. A further emit that wants one fails.
    pub max_acks_by_socket: usize,
    /// Rooms that one socket may be in. By default 256. A further join fails.
    pub max_rooms_by_socket: usize,
    /// Rooms in all. By default 100,000. A further one cannot be joined.
    pub max_rooms: usize,
    /// Bytes of the name of a room or namespace. By default 256. A longer one is refused.
    pub max_name_bytes: usize,
    /// Events kept for clients that may come back. By default 10,000. The oldest are forgotten.
    pub max_recovery_packets: usize,
    /// Bytes of those. By default 16,777,216. The oldest are forgotten.
    pub max_recovery_bytes: usize,
    /// Clients that may come back. By default 10,000. The one that has been away longest is forgotten.
    pub max_recovery_clients: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 0,
            max_connections_by_address: 256,
            handshake_rate: 20,
            handshake_burst: 400,
            max_addresses: 65_536,
            trust_proxy: Vec::new(),
            max_head_bytes: 16 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            unread_timeout: Duration::ZERO,
            packet_rate: 100_000,
            byte_rate: 100_000_000,
            max_unconnected: 2_000,
            max_namespaces_by_client: 16,
            max_outbox_bytes: 1 << 20,
            max_outbox_packets: 4_096,
            max_outboxes_bytes: 64 << 20,
            max_incoming_bytes: 64 << 20,
            max_static_bytes: 64 << 20,
            max_json_depth: 128,
            max_acks_by_socket: 256,
            max_rooms_by_socket: 256,
            max_rooms: 100_000,
            max_name_bytes: 256,
            max_recovery_packets: 10_000,
            max_recovery_bytes: 16 << 20,
            max_recovery_clients: 10_000,
        }
    }
}

/// The rows of these fields.
pub(super) const LIMITS: &[Setting] = &[
    size(
        "max-connections",
        "Connections at once; 0 is enough for all clients.",
        "connections",
        0..=4_000_000,
        |limits| &mut limits.max_connections,
    ),
    size(
        "max-connections-by-address",
        "Connections at once from one address that is not loopback; 0 is any number.",
        "connections",
        0..=4_000_000,
        |limits| &mut limits.max_connections_by_address,
    ),
    size(
        "handshake-rate",
        "Handshakes a second from one address; 0 is any number.",
        "handshakes",
        0..=1_000_000,
        |limits| &mut limits.handshake_rate,
    ),
    size(
        "handshake-burst",
        "Handshakes from one address that may come at once.",
        "handshakes",
        1..=1_000_000,
        |limits| &mut limits.handshake_burst,
    ),
    size("max-addresses", "Addresses that are remembered.", "addresses", 16..=10_000_000, |limits| {
        &mut limits.max_addresses
    }),
    Setting {
        name: "trust-proxy",
        value: "CIDR",
        about: "Proxies whose X-Forwarded-For is believed; may be given several times or with commas.",
        kind: Kind::List {
            clear: |config| config.limits.trust_proxy.clear(),
            add: |config, item: &OsStr| text(item)?.parse().map(|network| config.limits.trust_proxy.push(network)),
            show: |config| config.limits.trust_proxy.iter().map(ToString::to_string).collect(),
            may_be_empty: true,
        },
    },
    size("max-head", "Bytes of the head of a request.", "bytes", 1_024..=65_536, |limits| &mut limits.max_head_bytes),
    time("head-timeout", "Time that the head of a request may take.", 1, |limits| &mut limits.head_timeout),
    time("body-timeout", "Time that the body of a request may take.", 1, |limits| &mut limits.body_timeout),
    time("unread-timeout", "How long what was sent may stay unread; 0 is 2 s more than --ping-timeout.", 0, |limits| {
        &mut limits.unread_timeout
    }),
    size("packet-rate", "Packets a second from one client; 0 is any number.", "packets", 0..=10_000_000, |limits| {
        &mut limits.packet_rate
    }),
    size("byte-rate", "Bytes a second from one client; 0 is any number.", "bytes", 0..=1_000_000_000, |limits| {
        &mut limits.byte_rate
    }),
    size(
        "max-unconnected",
        "Clients that have joined no namespace yet; 0 is any number.",
        "clients",
        0..=1_000_000,
        |limits| &mut limits.max_unconnected,
    ),
    size("max-namespaces-by-client", "Namespaces that one client may be in.", "namespaces", 1..=1_000, |limits| {
        &mut limits.max_namespaces_by_client
    }),
    size("max-outbox", "Bytes queued for one client.", "bytes", 1..=100_000_000, |limits| &mut limits.max_outbox_bytes),
    size("max-outbox-packets", "Packets queued for one client.", "packets", 1..=1_000_000, |limits| {
        &mut limits.max_outbox_packets
    }),
    size("max-outboxes", "Bytes queued for all clients together.", "bytes", 10_000..=4_000_000_000, |limits| {
        &mut limits.max_outboxes_bytes
    }),
    size("max-incoming", "Bytes of all that has come in part.", "bytes", 10_000..=4_000_000_000, |limits| {
        &mut limits.max_incoming_bytes
    }),
    size("max-static", "Bytes of all files that are being sent.", "bytes", 10_000..=4_000_000_000, |limits| {
        &mut limits.max_static_bytes
    }),
    size("max-json-depth", "Nesting of JSON from a client.", "levels", 1..=1_024, |limits| &mut limits.max_json_depth),
    size("max-acks", "Acknowledgements that one socket may owe.", "acknowledgements", 0..=65_535, |limits| {
        &mut limits.max_acks_by_socket
    }),
    size("max-rooms-by-socket", "Rooms that one socket may be in.", "rooms", 0..=65_535, |limits| {
        &mut limits.max_rooms_by_socket
    }),
    size("max-rooms", "Rooms in all.", "rooms", 16..=100_000_000, |limits| &mut limits.max_rooms),
    size("max-name", "Bytes of the name of a room or namespace.", "bytes", 1..=65_535, |limits| {
        &mut limits.max_name_bytes
    }),
    size("max-recovery-packets", "Events kept for clients that may come back.", "events", 1..=10_000_000, |limits| {
        &mut limits.max_recovery_packets
    }),
    size(
        "max-recovery-bytes",
        "Bytes of events kept for clients that may come back.",
        "bytes",
        1..=4_000_000_000,
        |limits| &mut limits.max_recovery_bytes,
    ),
    size("max-recovery-clients", "Clients that may come back.", "clients", 1..=1_000_000, |limits| {
        &mut limits.max_recovery_clients
    }),
];

const fn size(
    name: &'static str,
    about: &'static str,
    unit: &'static str,
    range: RangeInclusive<u64>,
    field: fn(&mut Limits) -> &mut usize,
) -> Setting {
    Setting { name, value: "NUMBER", about, kind: Kind::Limit { unit, range, field } }
}

const fn time(
    name: &'static str,
    about: &'static str,
    ms_min: u64,
    field: fn(&mut Limits) -> &mut Duration,
) -> Setting {
    Setting { name, value: "MS", about, kind: Kind::LimitTime { ms: ms_min..=86_400_000, field } }
}

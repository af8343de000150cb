//! How much each address may use: connections at once, and handshakes a second.
//!
//! Loopback is not counted: what comes from there is the machine's own, or a proxy, and a proxy that is trusted says whom it
//! speaks for. Limits by address keep a single machine from taking all there is; against many there are those for all.

use core::cell::RefCell;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use sprat_core::time::Instant;
use sprat_core::wire::http::RequestHead;

use crate::bucket::{Bucket, Rate};
use crate::clock::Clock;
use crate::config::{Cidr, Limits};

/// The addresses that use the server now or did lately.
#[derive(Debug)]
pub(crate) struct Peers {
    trusted: Vec<Cidr>,
    connections_max: usize,
    handshakes: Rate,
    addresses_max: usize,
    clock: Clock,
    table: RefCell<Table>,
}

/// Why an address gets no more for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has as many connections as one address may.
    Connections,
    /// It has made as many handshakes as one address may.
    Handshakes,
    /// As many addresses as can be remembered have connections.
    Addresses,
}

impl Refused {
    /// The status of the answer (RFC 6585, section 4; RFC 9110, section 15.6.4).
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Handshakes => 429,
            Self::Connections | Self::Addresses => 503,
        }
    }

    /// What the client is told.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Connections => "Too many connections from this address",
            Self::Handshakes => "Too many handshakes from this address",
            Self::Addresses => "Too many addresses are connected",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// A connection that is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted {
    peers: Rc<Peers>,
    network: Network,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.peers.table.borrow_mut().leave(self.network);
    }
}

impl Peers {
    pub(crate) fn new(limits: &Limits, clock: Clock) -> Rc<Self> {
        Rc::new(Self {
            trusted: limits.trust_proxy.clone(),
            connections_max: limits.max_connections_by_address,
            handshakes: Rate { per_s: limits.handshake_rate as u64, burst: limits.handshake_burst as u64 },
            addresses_max: limits.max_addresses,
            clock,
            table: RefCell::default(),
        })
    }

    /// Counts a connection. A trusted proxy's is not: it is its clients that count, by [`Self::client`].
    ///
    /// # Errors
    /// If the address may have no more.
    pub(crate) fn accept(self: &Rc<Self>, address: IpAddr) -> Result<Option<Box<Counted>>, Refused> {
        if self.is_trusted(address) { Ok(None) } else { self.count(address) }
    }

    /// Counts what a connection is used for on behalf of an address.
    ///
    /// # Errors
    /// If the address may have no more.
    pub(crate) fn count(self: &Rc<Self>, address: IpAddr) -> Result<Option<Box<Counted>>, Refused> {
        let Some(network) = Network::of(address).filter(|_| self.connections_max > 0) else { return Ok(None) };
        let table = &mut *self.table.borrow_mut();
        let peer = table.peer(network, self.addresses_max, self.handshakes, self.clock.instant())?;
        if peer.connections >= self.connections_max {
            return Err(Refused::Connections);
        }
        table.enter(network);
        Ok(Some(Box::new(Counted { peers: Rc::clone(self), network })))
    }

    /// Takes a handshake off what an address may make.
    ///
    /// # Errors
    /// If nothing is left of that.
    pub(crate) fn handshake(&self, address: IpAddr) -> Result<(), Refused> {
        let Some(network) = Network::of(address).filter(|_| self.handshakes.per_s > 0) else { return Ok(()) };
        let now = self.clock.instant();
        let table = &mut *self.table.borrow_mut();
        let peer = table.peer(network, self.addresses_max, self.handshakes, now)?;
        if peer.handshakes.take_one(self.handshakes, now) { Ok(()) } else { Err(Refused::Handshakes) }
    }

    /// Whose request it is that came from `peer`: each trusted proxy says in `X-Forwarded-For`, at the end, from where it had
    /// it. What stands further left than the last that is trusted was written by a stranger.
    pub(crate) fn client(&self, peer: SocketAddr, head: &RequestHead<'_>) -> SocketAddr {
        if !self.is_trusted(peer.ip()) {
            return peer;
        }
        let fields = head.headers().filter(|(name, _)| name.eq_ignore_ascii_case("X-Forwarded-For"));
        let values: Vec<&[u8]> = fields.map(|(_, value)| value).collect();
        let mut client = peer;
        for said in values.into_iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
            let Some(address) = forwarded(said) else { break };
            client = SocketAddr::new(address, 0);
            if !self.is_trusted(address) {
                break;
            }
        }
        client
    }

    /// Whether a request of this peer may be somebody else's.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// One entry of `X-Forwarded-For`: an address, perhaps with a port.
fn forwarded(said: &[u8]) -> Option<IpAddr> {
    let said = core::str::from_utf8(said).ok()?.trim();
    let address = said.parse().ok().or_else(|| said.parse().ok().map(|with_port: SocketAddr| with_port.ip()));
    address.or_else(|| said.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6))
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which is what one household gets at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Network(Ipv6Addr);

impl Network {
    /// None for loopback.
    fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            address if address.is_loopback() => None,
            IpAddr::V4(address) => Some(Self(address.to_ipv6_mapped())),
            IpAddr::V6(address) => Some(Self(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    peers: HashMap<Network, Peer>,
    /// Those without a connection, by when that began.
    idle: BTreeMap<u64, Network>,
    /// The number of the next that has none.
    turn: u64,
}

#[derive(Debug)]
struct Peer {
    connections: usize,
    handshakes: Bucket,
    /// Its place among the idle.
    turn: u64,
}

impl Table {
    /// What is known of an address. If it is new and there is no room, one without connections is forgotten.
    fn peer(
        &mut self,
        network: Network,
        addresses_max: usize,
        handshakes: Rate,
        now: Instant,
    ) -> Result<&mut Peer, Refused> {
        self.forget_rested(handshakes, now);
        if !self.peers.contains_key(&network) {
            if self.peers.len() >= addresses_max {
                let (_, longest) = self.idle.pop_first().ok_or(Refused::Addresses)?;
                self.peers.remove(&longest);
            }
            let turn = self.next_turn();
            self.idle.insert(turn, network);
            self.peers.insert(network, Peer { connections: 0, handshakes: Bucket::new(handshakes, now), turn });
        }
        self.peers.get_mut(&network).ok_or(Refused::Addresses)
    }

    fn enter(&mut self, network: Network) {
        if let Some(peer) = self.peers.get_mut(&network) {
            peer.connections += 1;
            self.idle.remove(&peer.turn);
        }
    }

    fn leave(&mut self, network: Network) {
        let turn = self.next_turn();
        if let Some(peer) = self.peers.get_mut(&network) {
            peer.connections -= 1;
            if peer.connections == 0 {
                peer.turn = turn;
                self.idle.insert(turn, network);
            }
        }
    }

    /// Forgets the two that have been idle longest, if they may do all again that anybody may: a table of the past alone
    /// empties faster than it fills.
    fn forget_rested(&mut self, handshakes: Rate, now: Instant) {
        for _ in 0..2 {
            let Some((turn, network)) = self.idle.first_key_value().map(|(turn, network)| (*turn, *network)) else {
                return;
            };
            let is_rested = self.peers.get_mut(&network).is_none_or(|peer| peer.handshakes.is_full(handshakes, now));
            if !is_rested {
                return;
            }
            self.idle.remove(&turn);
            self.peers.remove(&network);
        }
    }

    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }
}

#[cfg(test)]
mod tests;

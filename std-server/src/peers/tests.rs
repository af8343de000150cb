use super::*;
use sprat_core::wire::http::{self, HeadStatus};

fn peers(change: impl FnOnce(&mut Limits)) -> Rc<Peers> {
    let mut limits = Limits { handshake_rate: 1, ..Limits::default() };
    change(&mut limits);
    Peers::new(&limits, Clock::start())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn an_address_has_so_many_connections_and_a_closed_one_makes_room() {
    let peers = peers(|limits| limits.max_connections_by_address = 2);
    let first = peers.accept(ip("192.0.2.1")).unwrap();
    let _second = peers.accept(ip("::ffff:192.0.2.1")).unwrap();
    assert_eq!(peers.accept(ip("192.0.2.1")).unwrap_err(), Refused::Connections);
    assert!(peers.accept(ip("192.0.2.2")).is_ok_and(|counted| counted.is_some()), "another address has its own");
    drop(first);
    assert!(peers.accept(ip("192.0.2.1")).is_ok());
}

#[test]
fn an_ipv6_network_of_64_bits_is_one_address() {
    let peers = peers(|limits| limits.max_connections_by_address = 1);
    let _counted = peers.accept(ip("2001:db8:0:1::1")).unwrap();
    assert_eq!(peers.accept(ip("2001:db8:0:1:ffff::2")).unwrap_err(), Refused::Connections);
    assert!(peers.accept(ip("2001:db8:0:2::1")).is_ok());
}

#[test]
fn loopback_is_not_counted() {
    let peers = peers(|limits| (limits.max_connections_by_address, limits.handshake_burst) = (1, 1));
    for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        let kept: Vec<_> = (0..5).map(|_| peers.accept(ip(address)).unwrap()).collect();
        assert!(kept.iter().all(Option::is_none));
        assert!((0..5).all(|_| peers.handshake(ip(address)).is_ok()));
    }
    assert!(peers.table.borrow().peers.is_empty());
}

#[test]
fn zero_is_any_number() {
    let peers = peers(|limits| (limits.max_connections_by_address, limits.handshake_rate) = (0, 0));
    let _kept: Vec<_> = (0..1_000).map(|_| peers.accept(ip("192.0.2.1")).unwrap()).collect();
    assert!((0..1_000).all(|_| peers.handshake(ip("192.0.2.1")).is_ok()));
}

#[test]
fn handshakes_are_counted_by_address() {
    let peers = peers(|limits| limits.handshake_burst = 3);
    let results: Vec<_> = (0..4).map(|_| peers.handshake(ip("192.0.2.1"))).collect();
    assert_eq!(results[..3], [Ok(()); 3]);
    assert_eq!(results[3], Err(Refused::Handshakes));
    assert_eq!(peers.handshake(ip("192.0.2.2")), Ok(()));
}

#[test]
fn a_full_table_forgets_who_is_not_connected_and_then_takes_no_more() {
    let peers = peers(|limits| limits.max_addresses = 16);
    let address = |number: u32| IpAddr::V4(core::net::Ipv4Addr::from_bits(0xc000_0200 + number));
    for number in 0..100 {
        assert_eq!(peers.handshake(address(number)), Ok(()));
        assert!(peers.table.borrow().peers.len() <= 16);
    }
    let kept: Vec<_> = (0..16).map(|number| peers.accept(address(number)).unwrap()).collect();
    assert_eq!(peers.accept(address(99)).unwrap_err(), Refused::Addresses);
    assert_eq!(peers.handshake(address(99)), Err(Refused::Addresses));
    assert!(peers.accept(address(3)).is_ok(), "who is known may go on");
    drop(kept);
    assert!(peers.accept(address(99)).is_ok());
    assert!(peers.table.borrow().idle.len() < peers.table.borrow().peers.len() + 1);
}

#[test]
fn who_has_gone_is_forgotten_when_it_may_do_all_again() {
    let peers = peers(|limits| limits.handshake_rate = 1_000_000);
    for number in 0..1_000_u32 {
        let counted = peers.accept(IpAddr::V4(core::net::Ipv4Addr::from_bits(0x0a00_0000 + number))).unwrap();
        assert!(counted.is_some());
    }
    assert!(peers.table.borrow().peers.len() <= 2);
}

fn client(trusted: &str, peer: &str, fields: &str) -> String {
    let trusted = trusted.split(',').filter(|network| !network.is_empty()).map(|network| network.parse().unwrap());
    let peers = peers(|limits| limits.trust_proxy = trusted.collect());
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let Ok(HeadStatus::Complete { head, .. }) = http::parse(head.as_bytes()) else { panic!("{head}") };
    peers.client(SocketAddr::new(ip(peer), 5), &head).ip().to_string()
}

#[test]
fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
    for (trusted, peer, fields, expected) in [
        // Who is not trusted says what it likes.
        ("", "192.0.2.1", "X-Forwarded-For: 198.51.100.1\r\n", "192.0.2.1"),
        ("10.0.0.0/8", "192.0.2.1", "X-Forwarded-For: 198.51.100.1\r\n", "192.0.2.1"),
        ("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "x-forwarded-for: 198.51.100.1\r\n", "198.51.100.1"),
        // What the client itself wrote stands left of what the proxy added.
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 198.51.100.1\r\n", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1"),
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 127.0.0.1, 198.51.100.1 , 10.9.9.9\r\n", "198.51.100.1"),
        ("10.0.0.0/8,::1", "::1", "X-Forwarded-For: 198.51.100.1:4711, 10.9.9.9\r\n", "198.51.100.1"),
        ("::1", "::1", "X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1"),
        ("::1", "::1", "X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1"),
        ("::1", "::1", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
        // All are trusted: the first of them.
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 10.2.2.2, 10.1.1.1\r\n", "10.2.2.2"),
        // What is no address ends the way.
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: 198.51.100.1, unknown, 10.1.1.1\r\n", "10.1.1.1"),
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For:\r\n", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "X-Forwarded-For: ,,\r\n", "10.0.0.1"),
    ] {
        assert_eq!(client(trusted, peer, fields), expected, "{trusted} {peer} {fields}");
    }
}

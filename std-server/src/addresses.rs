//! Where the server listens, and where people find it.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::net::TcpListener;

use crate::config::ListenAddr;

/// Connections that may wait to be accepted. After a restart all clients come back at once, and std asks for 128 only; the system may
/// allow less (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// Opens all sockets to listen at, or none. They do not block.
pub fn bind(addresses: &[ListenAddr]) -> Result<Vec<TcpListener>, BindProblem> {
    let mut listeners = Vec::new();
    for address in addresses {
        let opened = match *address {
            ListenAddr::All { port } => open_all(port),
            ListenAddr::One(address) => open(address).map(|listener| vec![listener]),
        };
        listeners.extend(opened.map_err(|problem| BindProblem { address: *address, problem })?);
    }
    Ok(listeners)
}

/// One socket for both families where the system makes such, else one for each; IPv4 alone on a host without IPv6.
fn open_all(port: u16) -> io::Result<Vec<TcpListener>> {
    let ipv6 = match open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Ok(listener) => listener,
        Err(problem) if is_without_ipv6(&problem) => return Ok(vec![open_ipv4(port)?]),
        Err(problem) => return Err(problem),
    };
    if takes_ipv4(&ipv6) {
        return Ok(vec![ipv6]);
    }
    let port = ipv6.local_addr()?.port();
    Ok(vec![ipv6, open_ipv4(port)?])
}

fn open_ipv4(port: u16) -> io::Result<TcpListener> {
    open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // Listening again only changes the length of the queue.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

fn is_without_ipv6(problem: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(problem);
    code.is_some_and(|code| code == rustix::io::Errno::AFNOSUPPORT || code == rustix::io::Errno::ADDRNOTAVAIL)
}

fn takes_ipv4(ipv6: &TcpListener) -> bool {
    rustix::net::sockopt::ipv6_v6only(ipv6).is_ok_and(|only| !only)
}

/// Why the server cannot listen: one line for people.
#[derive(Debug)]
pub struct BindProblem {
    address: ListenAddr,
    problem: io::Error,
}

impl fmt::Display for BindProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen at {}: {}", self.address, self.problem)?;
        if self.problem.kind() == io::ErrorKind::AddrInUse {
            f.write_str("; another server is there, choose another port (--listen, Config::listen)")?;
        }
        Ok(())
    }
}

impl core::error::Error for BindProblem {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.problem)
    }
}

/// What to print when the server is ready: one line for each address that people can open. Nothing, if it listens nowhere.
pub fn ready_text(listeners: &[TcpListener]) -> io::Result<String> {
    if listeners.is_empty() {
        return Ok(String::new());
    }
    let bound: Vec<Bound> = listeners.iter().map(Bound::of).collect::<io::Result<_>>()?;
    let interfaces =
        if bound.iter().any(|bound| bound.address.ip().is_unspecified()) { interfaces() } else { Vec::new() };
    let mut text = format!("Sprat {} is ready:\n", env!("CARGO_PKG_VERSION"));
    for url in urls(&bound, &interfaces) {
        text.push_str(&format!("  {url}\n"));
    }
    Ok(text)
}

/// The addresses of this machine in its networks; none if the system does not tell, which only makes the text shorter.
fn interfaces() -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_else(|problem| {
        log::debug!("the addresses of this machine are not known: {problem}");
        Vec::new()
    });
    found.into_iter().filter(|interface| interface.is_oper_up()).map(|interface| interface.ip()).collect()
}

/// A listening socket, as far as its address goes.
struct Bound {
    address: SocketAddr,
    /// Whether an IPv6 socket takes IPv4 connections too.
    takes_ipv4: bool,
}

impl Bound {
    fn of(listener: &TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { address, takes_ipv4: address.is_ipv4() || takes_ipv4(listener) })
    }

    /// Whether a machine in the network can reach this socket by `address`, and a person would want to.
    fn reachable_by(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.takes_ipv4 && !address.is_loopback() && !address.is_link_local(),
            IpAddr::V6(address) => self.address.is_ipv6() && !address.is_loopback() && !address.is_unicast_link_local(),
        }
    }
}

fn urls(bound: &[Bound], interfaces: &[IpAddr]) -> Vec<String> {
    let mut urls = Vec::new();
    for socket in bound {
        let port = socket.address.port();
        if !socket.address.ip().is_unspecified() {
            urls.push(format!("http://{}/", without_scope(socket.address)));
            continue;
        }
        urls.push(format!("http://localhost:{port}/"));
        // IPv4 first: easier to type into a phone.
        let (ipv4, ipv6): (Vec<IpAddr>, Vec<IpAddr>) =
            interfaces.iter().filter(|address| socket.reachable_by(**address)).partition(|address| address.is_ipv4());
        urls.extend(ipv4.into_iter().chain(ipv6).map(|address| format!("http://{}/", SocketAddr::new(address, port))));
    }
    let mut seen = std::collections::BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls
}

/// URLs have no place for the zone of a link-local address that browsers would take.
fn without_scope(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn bound(address: &str, takes_ipv4: bool) -> Bound {
        Bound { address: address.parse().unwrap(), takes_ipv4 }
    }

    fn shown(bound: &[Bound]) -> Vec<String> {
        let interfaces = ["127.0.0.1", "::1", "2001:db8::5", "192.168.1.20", "fe80::1", "169.254.3.4", "10.0.0.7"];
        urls(bound, &interfaces.map(|address| address.parse().unwrap()))
    }

    #[test]
    fn all_addresses_are_shown_as_what_people_can_open() {
        let both = [
            "http://localhost:3000/",
            "http://192.168.1.20:3000/",
            "http://10.0.0.7:3000/",
            "http://[2001:db8::5]:3000/",
        ];
        assert_eq!(shown(&[bound("[::]:3000", true)]), both);
        let apart = [
            "http://localhost:3000/",
            "http://[2001:db8::5]:3000/",
            "http://192.168.1.20:3000/",
            "http://10.0.0.7:3000/",
        ];
        assert_eq!(shown(&[bound("[::]:3000", false), bound("0.0.0.0:3000", true)]), apart);
        assert_eq!(shown(&[bound("0.0.0.0:3000", true)]), both[..3]);
        assert_eq!(
            shown(&[bound("127.0.0.1:81", true), bound("[::1]:82", false)]),
            ["http://127.0.0.1:81/", "http://[::1]:82/"]
        );
    }

    #[test]
    fn all_addresses_are_listened_at_and_the_port_chosen_is_shown() {
        let listeners = bind(&[ListenAddr::All { port: 0 }]).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        assert_ne!(port, 0);
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        if listeners[0].local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
        let text = ready_text(&listeners).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(concat!("Sprat ", env!("CARGO_PKG_VERSION"), " is ready:")));
        assert_eq!(lines.next(), Some(format!("  http://localhost:{port}/").as_str()));
        assert!(!text.contains("127.0.0.1") && !text.contains("fe80"), "{text}");
    }

    #[test]
    fn listeners_do_not_block() {
        let listeners = bind(&[ListenAddr::One("127.0.0.1:0".parse().unwrap())]).unwrap();
        assert_eq!(listeners[0].accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_port_in_use_is_one_line_with_the_way_out() {
        let first = bind(&[ListenAddr::One("127.0.0.1:0".parse().unwrap())]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let problem = bind(&[ListenAddr::One(taken)]).unwrap_err().to_string();
        assert!(problem.starts_with(&format!("cannot listen at {taken}: ")), "{problem}");
        assert!(problem.ends_with("choose another port (--listen, Config::listen)"), "{problem}");
    }

    #[test]
    fn a_host_without_ipv6_is_told_apart_from_other_problems() {
        for (code, without) in [
            (rustix::io::Errno::AFNOSUPPORT, true),
            (rustix::io::Errno::ADDRNOTAVAIL, true),
            (rustix::io::Errno::ADDRINUSE, false),
            (rustix::io::Errno::ACCESS, false),
        ] {
            assert_eq!(is_without_ipv6(&io::Error::from(code)), without);
        }
    }
}

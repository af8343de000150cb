//! In front of the network: while every connection is taken, nobody is let in, and nobody is sent away either. TCP tries again in
//! a second, when there may be room; a refusal would be an error page in a browser.

use core::task::Context;

use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken};

use crate::site::Site;

/// A driver that does not hear who comes too early.
pub struct Gate<D> {
    driver: D,
    site: &'static Site,
}

impl<D> Gate<D> {
    pub(crate) const fn new(driver: D, site: &'static Site) -> Self {
        Self { driver, site }
    }
}

impl<D: Driver> Driver for Gate<D> {
    type RxToken<'a>
        = Heard<D::RxToken<'a>>
    where
        D: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        D: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (token, answer) = self.driver.receive(cx)?;
        Some((Heard { token, site: self.site }, answer))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.driver.transmit(cx)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.driver.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        self.driver.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.driver.hardware_address()
    }
}

/// A frame that may not be heard.
pub struct Heard<T> {
    token: T,
    site: &'static Site,
}

impl<T: RxToken> RxToken for Heard<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        let site = self.site;
        // An empty frame is none: the stack drops it.
        self.token.consume(|frame| if begins_connection(frame) && !site.let_in() { take(&mut []) } else { take(frame) })
    }
}

/// Whether this is the first segment of a connection: IPv4, TCP, SYN without ACK (RFC 791, RFC 9293).
fn begins_connection(frame: &[u8]) -> bool {
    const SYN_AND_ACK: u8 = 0x12;
    const SYN: u8 = 0x02;
    let is_tcp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&6);
    let header_len = frame.get(14).map_or(0, |first| usize::from(first & 0x0f) * 4);
    is_tcp && frame.get(14 + header_len + 13).is_some_and(|flags| flags & SYN_AND_ACK == SYN)
}

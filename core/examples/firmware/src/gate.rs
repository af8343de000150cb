//! In front of the network: while every connection is taken, nobody is let in, and nobody is sent away either. TCP tries again in
//! a second, when there may be room; a refusal would be an error page in a browser.

use core::task::Context;

use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken};
use sprat_core::wire::ethernet::begins_connection;

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
        self.token.consume(|frame| {
            let is_heard = !begins_connection(frame) || site.places().let_in(site.now().instant);
            take(if is_heard { frame } else { &mut [] })
        })
    }
}

//! What something outside has put into RAM before the start: QEMU's loader, or a boot loader that has a random number
//! generator at hand. 16 bytes of seed, then an address and a port of a time server, zero if there is none.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::ptr;

use sprat_firmware::SEED_BYTES;

/// What the bytes say.
pub(crate) struct Host {
    pub(crate) seed: [u8; SEED_BYTES],
    pub(crate) sntp_server: Option<SocketAddrV4>,
}

const BYTES: usize = SEED_BYTES + 8;

unsafe extern "C" {
    static mut _host: [u8; BYTES];
}

/// Takes the bytes away: after a reset that does not bring new ones, they are all zero. `None` without a seed.
pub(crate) fn take() -> Option<Host> {
    // SAFETY: the linker script reserves these bytes for this, no other code names them, and start-up is one thread.
    let bytes = unsafe {
        let bytes = ptr::read_volatile(&raw const _host);
        ptr::write_volatile(&raw mut _host, [0; BYTES]);
        bytes
    };
    let (seed, rest) = bytes.split_first_chunk::<SEED_BYTES>()?;
    let [a, b, c, d, high, low, ..] = *rest else { return None };
    let server = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low]));
    (*seed != [0; SEED_BYTES]).then_some(Host { seed: *seed, sntp_server: (server.port() != 0).then_some(server) })
}

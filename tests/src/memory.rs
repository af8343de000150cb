//! Memory of a few sizes for servers under test.
//!
//! It is leaked: a server borrows its memory for as long as it lives, which on a device is for ever.

use sprat_core::memory::{Fixed, Lent, Resources};

use crate::chance::Chance;

/// The kind of memory that all servers here work with.
pub type Memory = Lent<'static, Chance>;

/// Events that [`roomy`] memory keeps for clients that come back.
pub const RECENT: usize = 64;

/// Room for more than a test needs.
pub fn roomy(seed: u64) -> Resources<Memory> {
    sized::<128, 256, 256, 1_024, 2_048, 64, 1_024, { 192 << 10 }, RECENT>(seed)
}

/// Memory of the given sizes; see [`Fixed`].
pub fn sized<
    const CLIENTS: usize,
    const SOCKETS: usize,
    const ROOMS: usize,
    const MEMBERSHIPS: usize,
    const PACKETS: usize,
    const ACKS: usize,
    const FRAMES: usize,
    const BYTES: usize,
    const RECENT: usize,
>(
    seed: u64,
) -> Resources<Memory> {
    let memory = Fixed::<CLIENTS, SOCKETS, ROOMS, MEMBERSHIPS, PACKETS, ACKS, FRAMES, BYTES, RECENT>::new();
    Box::leak(Box::new(memory)).lend(Chance::new(seed))
}

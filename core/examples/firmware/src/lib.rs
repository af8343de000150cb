//! The chat of `sprat_core` on a microcontroller with an Ethernet. A board brings a driver for it, and a [`Board`].
//!
//! | file | what it does |
//! | --- | --- |
//! | `site.rs` | what all connections share: the server, the time, the marks |
//! | `connection.rs` | bytes between TCP and the connections of `sprat_core` |
//! | `pages.rs` | the page, in flash |
//! | `gate.rs` | nothing is heard of who is not let in |
//! | `clock.rs` | deadlines, and the time of day |
//! | `limits.rs` | how much there is of everything |

#![no_std]
#![forbid(unsafe_code)]

mod clock;
mod connection;
mod gate;
pub mod limits;
mod pages;
mod site;

use core::fmt::Arguments;
use core::net::{Ipv4Addr, SocketAddrV4};

use embassy_executor::Spawner;
use embassy_net::driver::Driver;
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use sprat_core::Server;
use sprat_core::chat::{Chat, ChatMemory};
use sprat_core::entropy::SeededEntropy;
use sprat_core::lines::{Attached, Line, Lines};
use sprat_core::memory::{Fixed, Lend};
use static_cell::{ConstStaticCell, StaticCell};

pub use gate::Gate;
use limits::{CLIENTS, CONNECTIONS};
use site::Site;
pub use sprat_core::entropy::SEED_BYTES;

/// What a board is, besides its Ethernet.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Bytes that nobody can guess, other ones at each start: everything secret comes from them. See [`SEED_BYTES`].
    pub seed: [u8; SEED_BYTES],
    /// The address of this device, the length of its network's prefix, and the gateway.
    pub address: (Ipv4Addr, u8, Ipv4Addr),
    /// Who tells the time of day; without one, the chat counts from the start.
    pub sntp_server: Option<SocketAddrV4>,
    /// Writes a line somewhere.
    pub log: fn(Arguments<'_>),
    /// The most bytes of the stack that were in use, and how many it has.
    pub stack_bytes: fn() -> (usize, usize),
    /// Microseconds that the processor was not asleep.
    pub busy_us: fn() -> u64,
}

/// The server's memory. What bounds what: see [`Fixed`].
type Memory =
    Fixed<CLIENTS, CLIENTS, 2, CLIENTS, { limits::PACKETS }, 1, { limits::FRAMES }, { limits::FRAMES_BYTES }, 0>;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());
static CHAT: ConstStaticCell<ChatMemory<{ limits::MESSAGES }, 16, { limits::SCRATCH_BYTES }>> =
    ConstStaticCell::new(ChatMemory::new());
static LINES: ConstStaticCell<heapless::Vec<Line, CONNECTIONS>> = ConstStaticCell::new(heapless::Vec::new());
static WEBSOCKETS: ConstStaticCell<heapless::Vec<Option<Attached>, CLIENTS>> =
    ConstStaticCell::new(heapless::Vec::new());
static SOCKETS: StaticCell<StackResources<{ CONNECTIONS + 1 }>> = StaticCell::new();
static BUFFERS: ConstStaticCell<[connection::Buffers; CONNECTIONS]> =
    ConstStaticCell::new([const { connection::Buffers::new() }; CONNECTIONS]);
static SITE: StaticCell<Site> = StaticCell::new();

/// Starts everything but the runner of the network, which the board spawns: a task cannot be generic.
///
/// Not to be inlined: what it needs of the stack while it builds things is given back before anything runs.
#[inline(never)]
pub fn boot<D: Driver>(spawner: Spawner, driver: D, board: Board) -> Runner<'static, Gate<D>> {
    let mut entropy = SeededEntropy::new(&board.seed);
    let (network_seed, nonce) = (entropy.next_u64(), entropy.next_u64());
    let site = start_server(board, entropy);
    let (stack, runner) = start_network(Gate::new(driver, site), &board, network_seed);
    for (line, buffers) in (0..).zip(BUFFERS.take()) {
        spawner.spawn(spawned(connection::serve(stack, site, line, buffers)));
    }
    spawner.spawn(spawned(clock::keep_deadlines(site)));
    spawner.spawn(spawned(clock::keep_wall_time(stack, site, nonce)));
    runner
}

#[inline(never)]
fn start_network<D: Driver>(driver: D, board: &Board, seed: u64) -> (Stack<'static>, Runner<'static, D>) {
    let (address, prefix_len, gateway) = board.address;
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address, prefix_len),
        gateway: Some(gateway),
        dns_servers: Default::default(),
    });
    embassy_net::new(driver, config, SOCKETS.init_with(StackResources::new), seed)
}

#[inline(never)]
fn start_server(board: Board, entropy: SeededEntropy) -> &'static Site {
    let chat = Chat::new(CHAT.take(), limits::chat());
    let server = match Server::new(chat, MEMORY.take().lend(entropy), limits::server()) {
        Ok(server) => server,
        Err(problem) => panic!("{problem}"),
    };
    let lines = Lines::new(server, Lend::new(LINES.take()), Lend::new(WEBSOCKETS.take()));
    SITE.init_with(|| Site::new(lines, board))
}

/// Each task is spawned as often as its pool is large.
fn spawned<S>(
    token: Result<embassy_executor::SpawnToken<S>, embassy_executor::SpawnError>,
) -> embassy_executor::SpawnToken<S> {
    token.unwrap_or_else(|problem| panic!("{problem:?}"))
}

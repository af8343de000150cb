//! How much of everything there is on 64 KiB of RAM. The host can be started with the same, which is how the two are compared.

use sprat_core::Limits;
use sprat_core::chat::ChatLimits;

/// Clients at once.
pub const CLIENTS: usize = 8;
/// Of these, on long polling at once: each occupies two connections at times.
pub const POLLING_CLIENTS: u32 = 3;
/// Connections at once: one for each client, another for each on polling, and at least one for pages and refusals.
pub const CONNECTIONS: usize = 12;

/// Bytes of a message or body from a client.
pub const PAYLOAD_BYTES: usize = 800;
/// Bytes of a connection's own buffer: a message and what may come between its pieces, or the head of a request.
pub const BUFFER_BYTES: usize = PAYLOAD_BYTES + sprat_core::wire::message::MESSAGE_OVERHEAD_BYTES;
/// Bytes that TCP keeps for a connection that has not read them.
pub const RECEIVE_BYTES: usize = 320;
/// Bytes that TCP keeps until the peer has them.
pub const SEND_BYTES: usize = 416;

/// Packets in all outboxes.
pub const PACKETS: usize = 80;
/// Different packets, names and nicknames.
pub const FRAMES: usize = 56;
/// Bytes of those.
pub const FRAMES_BYTES: usize = 7_168;
/// Messages that the chat remembers, if their bytes allow.
pub const MESSAGES: usize = 16;
/// Bytes for the chat to write JSON in.
pub const SCRATCH_BYTES: usize = 1_856;

/// The limits of the server.
pub fn server() -> Limits {
    Limits {
        payload_bytes_max: PAYLOAD_BYTES as u32,
        clients_max: CLIENTS as u32,
        polling_clients_max: POLLING_CLIENTS,
        namespaces_by_session_max: 1,
        outbox_bytes_max: 3_584,
        outbox_packets_max: 24,
        frames_bytes_max: FRAMES_BYTES as u32,
        attachments_max: 1,
        acks_by_socket_max: 1,
        rooms_by_socket_max: 1,
        ..Limits::default()
    }
}

/// The limits of the chat.
pub fn chat() -> ChatLimits {
    ChatLimits { name_chars_max: 32, text_chars_max: 160, history_bytes_max: 1_536, users_shown_max: CLIENTS }
}

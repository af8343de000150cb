//! The states of a session and what each packet from its client means in them.
//!
//! ```text
//!                  GET (handshake)                          WebSocket (handshake)
//!                        |                                        |
//!                        v    WebSocket with sid                  |
//!                    Polling ------------------> Probing          |
//!                      ^ ^                        |   | `2probe`  |
//!                      | |  timeout, wrong packet |   v           |
//!                      | +------------------------+  Probed       |
//!                      +-----------------------------|   | `5`    |
//!                                                        v        v
//!                                                       WebSocket
//!
//!   any of them -- the server closes --> Closing -- client told --> Closed
//!   any of them -- error, timeout, client gone ----------------------^
//! ```

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Over; its slot waits until the application has been told.
    #[default]
    Closed,
    /// The server closes it; what is queued is still delivered, then the client is told.
    Closing,
    /// Open over long polling.
    Polling,
    /// Open over long polling; a WebSocket has sent its probe and may take over.
    Probed,
    /// Open over long polling; a WebSocket is connected and has sent nothing yet.
    Probing,
    /// Open over a WebSocket.
    WebSocket,
}

/// What brought a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The body of a POST.
    Post,
    /// A WebSocket that is not the session's transport yet.
    Probe,
    /// The WebSocket that is the session's transport.
    WebSocket,
}

/// A packet by its type alone. `Probe` is a PING with the text `probe`; `Malformed` is none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Close,
    Malformed,
    Message,
    Noop,
    Open,
    Ping,
    Pong,
    Probe,
    Upgrade,
}

/// What to do about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Ignore,
    /// Hand it to the layer above.
    Deliver,
    /// The client is alive: schedule the next PING.
    Alive,
    /// Answer the probe.
    AnswerProbe,
    /// Make the WebSocket the transport.
    Upgrade,
    /// Close that WebSocket; the session goes on.
    DropProbe,
    /// The client leaves: `transport close`.
    Leave,
    /// End the session: `transport error`.
    TransportError,
    /// End the session: `parse error`.
    ParseError,
}

/// The table: Engine.IO protocol, "Protocol" and "Upgrade", and the measured answers to what it leaves open.
pub(crate) fn action(state: State, carrier: Carrier, kind: Kind) -> Action {
    match (state, carrier) {
        (State::Closed, _) => Action::Ignore,
        (_, Carrier::Probe) => probe_action(state, kind),
        // Only an open session takes packets; a client may still say that it leaves.
        (State::Closing, _) if kind == Kind::Close => Action::Leave,
        (State::Closing, _) => Action::Ignore,
        (State::Polling | State::Probed | State::Probing | State::WebSocket, _) => open_action(kind),
    }
}

fn probe_action(state: State, kind: Kind) -> Action {
    match (state, kind) {
        (State::Probing | State::Probed, Kind::Probe) => Action::AnswerProbe,
        (State::Probed, Kind::Upgrade) => Action::Upgrade,
        _ => Action::DropProbe,
    }
}

fn open_action(kind: Kind) -> Action {
    match kind {
        Kind::Close => Action::Leave,
        Kind::Malformed => Action::ParseError,
        Kind::Message => Action::Deliver,
        Kind::Noop | Kind::Open | Kind::Upgrade => Action::Ignore,
        // Heartbeats go from the server to the client since revision 4 of the protocol.
        Kind::Ping | Kind::Probe => Action::TransportError,
        Kind::Pong => Action::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] =
        [State::Closed, State::Closing, State::Polling, State::Probed, State::Probing, State::WebSocket];
    const KINDS: [Kind; 9] = [
        Kind::Close,
        Kind::Malformed,
        Kind::Message,
        Kind::Noop,
        Kind::Open,
        Kind::Ping,
        Kind::Pong,
        Kind::Probe,
        Kind::Upgrade,
    ];

    #[test]
    fn every_pair_of_state_and_packet() {
        use Action::{Alive, AnswerProbe, Deliver, DropProbe, Ignore, Leave, ParseError, TransportError, Upgrade};
        let open = [Leave, ParseError, Deliver, Ignore, Ignore, TransportError, Alive, TransportError, Ignore];
        let closing = [Leave, Ignore, Ignore, Ignore, Ignore, Ignore, Ignore, Ignore, Ignore];
        for carrier in [Carrier::Post, Carrier::WebSocket] {
            for (state, row) in STATES.into_iter().zip([[Ignore; 9], closing, open, open, open, open]) {
                let actions = KINDS.map(|kind| action(state, carrier, kind));
                assert_eq!(actions, row, "{state:?} by {carrier:?}");
            }
        }
        let none = [DropProbe; 9];
        let probing =
            [DropProbe, DropProbe, DropProbe, DropProbe, DropProbe, DropProbe, DropProbe, AnswerProbe, DropProbe];
        let probed =
            [DropProbe, DropProbe, DropProbe, DropProbe, DropProbe, DropProbe, DropProbe, AnswerProbe, Upgrade];
        for (state, row) in STATES.into_iter().zip([[Ignore; 9], none, none, probed, probing, none]) {
            let actions = KINDS.map(|kind| action(state, Carrier::Probe, kind));
            assert_eq!(actions, row, "{state:?} by a probing WebSocket");
        }
    }
}

//! What a client did wrong, told beside the reason for which it is gone (row H4 of the measured facts).

use sprat_core::error::PeerError;
use sprat_core::{App, CloseReason, Context, Limits, SocketId};
use sprat_tests::driver::sid_of;
use sprat_tests::{Driver, memory};

#[derive(Default)]
struct Reasons(Vec<(CloseReason, Option<PeerError>)>);

impl App for Reasons {
    fn on_disconnecting(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let session = context.session(socket).expect("it is still on its session");
        self.0.push((reason, context.problem(session)));
    }

    fn on_disconnect(&mut self, context: &mut dyn Context, socket: SocketId, reason: CloseReason) {
        let session = context.session(socket).expect("it is still on its session");
        assert_eq!(self.0.pop().expect("it was leaving"), (reason, context.problem(session)));
        self.0.push((reason, context.problem(session)));
    }
}

type Bench = Driver<Reasons, memory::Memory>;

fn bench() -> Bench {
    Driver::new(Reasons::default(), memory::roomy(3), Limits::default())
}

fn told(bench: &mut Bench) -> (CloseReason, Option<PeerError>) {
    let told = bench.enter(|app, _| app.0.clone());
    assert_eq!(told.len(), 1, "{told:?}");
    told[0]
}

#[test]
fn what_a_client_did_wrong_is_told_beside_the_reason() {
    use CloseReason::{ClientNamespaceDisconnect, ForcedClose, ParseError, TransportError};
    for (packet, reason, problem) in [
        ("42[", ForcedClose, Some(PeerError::Json)),
        ("47", ForcedClose, Some(PeerError::SocketPacket)),
        ("4511-[]", ForcedClose, Some(PeerError::Attachments)),
        ("bAAAA", ForcedClose, Some(PeerError::Attachments)),
        ("40", ForcedClose, Some(PeerError::Namespace)),
        ("42/x,[1]", ForcedClose, Some(PeerError::Namespace)),
        ("9", ParseError, Some(PeerError::EnginePacket)),
        ("2", TransportError, Some(PeerError::Heartbeat)),
        ("41", ClientNamespaceDisconnect, None),
    ] {
        let mut bench = bench();
        let (line, _) = bench.connect_websocket();
        bench.send_text(line, packet);
        assert_eq!(told(&mut bench), (reason, problem), "{packet}");
    }
}

#[test]
fn what_a_client_did_wrong_over_polling_is_told_too() {
    let target = |bench: &mut Bench| {
        let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
        let (_, body) = bench.http(handshake);
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", sid_of(&body));
        bench.post(&target, "40");
        let poll = bench.get(&target);
        bench.http(poll);
        target
    };
    let mut first = bench();
    let url = target(&mut first);
    first.get(&url);
    first.get(&url);
    assert_eq!(told(&mut first), (CloseReason::TransportError, Some(PeerError::Overlap)));

    let mut second = bench();
    let url = target(&mut second);
    let poll = second.get(&url);
    second.lose_request(poll);
    assert_eq!(told(&mut second), (CloseReason::TransportError, Some(PeerError::RequestLost)));
}

#[test]
fn the_first_thing_that_a_driver_says_of_a_websocket_is_told() {
    let mut bench = bench();
    let (line, _) = bench.connect_websocket();
    bench.blame(line, PeerError::TooLarge);
    // The first is the one that counts.
    bench.blame(line, PeerError::Utf8);
    bench.lose_line(line, CloseReason::TransportError);
    assert_eq!(told(&mut bench), (CloseReason::TransportError, Some(PeerError::TooLarge)));
}

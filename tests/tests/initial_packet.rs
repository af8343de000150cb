//! A message of the application's that comes right behind OPEN (Engine.IO server, option `initialPacket`; row E12 of the
//! measured facts).

use sprat_core::app::{Message, Protocol};
use sprat_core::{App, CloseReason, Context, Limits, SessionId};
use sprat_tests::driver::sid_of;
use sprat_tests::{Driver, Frame, memory};

/// Greets everybody, and says again what it is told if it speaks Engine.IO alone.
struct Greeter(Protocol);

impl App for Greeter {
    fn protocol(&self) -> Protocol {
        self.0
    }

    fn initial_packet(&self) -> Option<&str> {
        Some("hello\u{20ac}")
    }

    fn on_message(&mut self, context: &mut dyn Context, session: SessionId, message: Message<'_>) {
        context.send(session, message).expect("room");
    }
}

fn greeter(protocol: Protocol) -> Driver<Greeter, memory::Memory> {
    Driver::new(Greeter(protocol), memory::roomy(3), Limits::default())
}

#[test]
fn an_initial_packet_is_in_the_body_of_the_handshake_over_polling() {
    for protocol in [Protocol::EngineIo, Protocol::SocketIo] {
        let mut bench = greeter(protocol);
        let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
        let (status, body) = bench.http(handshake);
        let (open, initial) = body.split_once('\u{1e}').expect("two packets");
        assert_eq!((status, initial), (200, "4hello\u{20ac}"));
        assert!(open.starts_with("0{"), "{open}");
    }
}

#[test]
fn an_initial_packet_is_the_second_message_of_a_websocket() {
    let mut bench = greeter(Protocol::EngineIo);
    let (line, _) = bench.open_websocket();
    assert_eq!(bench.text(line), "4hello\u{20ac}");
    bench.send_text(line, "4again");
    assert_eq!(bench.all(line), [Frame::Text("4again".into())]);
}

#[test]
fn an_initial_packet_is_not_sent_again_when_the_transport_changes() {
    let mut bench = greeter(Protocol::EngineIo);
    let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
    let (_, body) = bench.http(handshake);
    let sid = sid_of(body.split('\u{1e}').next().expect("a packet"));
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    for packet in ["2probe", "5", "4x"] {
        bench.send_text(line, packet);
    }
    assert_eq!(bench.all(line), ["3probe", "4x"].map(|text| Frame::Text(text.into())));
}

#[test]
fn an_initial_packet_that_finds_no_memory_ends_its_client_and_leaves_nothing_behind() {
    // Room for one packet in all outboxes: OPEN.
    let resources = memory::sized::<4, 4, 4, 4, 1, 4, 8, 512, 0>(3);
    let mut bench = Driver::new(Greeter(Protocol::SocketIo), resources, Limits::default());
    let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
    assert_eq!(bench.http(handshake), (200, "1".into()));
    assert_eq!(bench.closed, [CloseReason::OutboxFull]);
    assert!(bench.server().is_idle());
    assert_eq!(bench.frames_bytes(), 0);
}

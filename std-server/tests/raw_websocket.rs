//! WebSockets byte for byte, over loopback: how they end, and how large a message may be (rows E20 and T9 to T12 of the
//! measured facts).

mod common;

use std::sync::mpsc::{Receiver, channel};

use common::{BINARY, CLOSE, PATIENCE, PING, PONG, Raw, Running, TEXT, frame, run, websocket_head};
use sprat::config::Limits;
use sprat::{Binary, Config};

/// A server that takes messages of 1,000 bytes, echoes `echo`, sends binary at `bytes` and disconnects at `bye`; and the reasons
/// for which sockets have left.
fn serve() -> (Running, impl Fn() -> &'static str) {
    let (left, reasons): (_, Receiver<&'static str>) = channel();
    let server = run(Config { max_payload_bytes: 1_000, ..Config::default() }, move |io| {
        io.on("echo", |socket, text: String, _ack| socket.emit("echo", text));
        io.on("bytes", |socket, (), _ack| socket.emit("bytes", Binary::from(vec![1, 2, 3])));
        io.on("bye", |socket, (), _ack| socket.disconnect(true));
        // The test may have what it wanted.
        io.on_disconnect(move |_socket, reason| _ = left.send(reason.as_str()));
    });
    (server, move || reasons.recv_timeout(PATIENCE).expect("a socket that leaves"))
}

const TARGET: &str = "/socket.io/?EIO=4&transport=websocket";

impl Running {
    /// A WebSocket that has not joined anything.
    fn open(&self, query: &str) -> Raw {
        let mut raw = self.upgrade(&format!("{TARGET}{query}"), "");
        assert_eq!(raw.answer().status(), "101");
        assert!(raw.text().starts_with("0{"));
        raw
    }

    /// A client that has joined `/`.
    fn join(&self, query: &str) -> Raw {
        let mut raw = self.open(query);
        raw.frame(TEXT, b"40");
        assert!(raw.text().starts_with("40{"));
        raw
    }
}

impl Raw {
    fn text(&mut self) -> String {
        let (first, payload) = self.next_frame();
        assert_eq!(first, TEXT);
        String::from_utf8(payload).expect("text")
    }
}

/// A message of so many bytes.
fn message(len: usize) -> String {
    let frame = r#"42["echo",""]"#;
    format!(r#"42["echo","{}"]"#, "x".repeat(len - frame.len()))
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_one_byte_more_is_closed_with_1009() {
    let (server, reason) = serve();
    let mut raw = server.join("");
    raw.frame(TEXT, message(1_000));
    assert_eq!(raw.text(), message(1_000));
    raw.frame(TEXT, message(1_001));
    assert_eq!(raw.next_frame(), (CLOSE, vec![0x03, 0xf1]));
    assert_eq!(reason(), "transport error");
    assert!(raw.rest().expect("an end").is_empty());
}

#[test]
fn the_server_closes_a_websocket_with_a_frame_without_a_status() {
    let (server, reason) = serve();
    let mut raw = server.join("");
    raw.frame(TEXT, br#"42["bye"]"#);
    assert_eq!(raw.text(), "41");
    assert_eq!(raw.next_frame(), (CLOSE, vec![]));
    raw.frame(CLOSE, b"");
    assert!(raw.rest().expect("an end").is_empty());
    assert_eq!(reason(), "server namespace disconnect");
}

#[test]
fn a_close_packet_of_the_client_ends_its_websocket_at_once() {
    let (server, reason) = serve();
    let mut raw = server.join("");
    raw.frame(TEXT, b"1");
    assert_eq!(raw.next_frame(), (CLOSE, vec![]));
    assert_eq!(reason(), "transport close");
}

#[test]
fn a_connection_that_breaks_is_a_transport_close() {
    let (server, reason) = serve();
    drop(server.join(""));
    assert_eq!(reason(), "transport close");
    let mut raw = server.join("");
    raw.frame(TEXT, br#"42["echo","unread"]"#);
    raw.stream.peek(&mut [0]).unwrap();
    // With something unread the system resets the connection instead of ending it.
    drop(raw);
    assert_eq!(reason(), "transport close");
}

#[test]
fn what_is_no_websocket_frame_is_a_transport_error() {
    let (server, reason) = serve();
    let mut raw = server.join("");
    // A reserved opcode (RFC 6455, section 5.2).
    raw.frame(0x83, b"");
    assert_eq!(raw.next_frame(), (CLOSE, vec![0x03, 0xea]));
    assert_eq!(reason(), "transport error");
}

#[test]
fn binary_is_a_frame_of_its_own_or_base64_for_who_cannot_take_it() {
    let (server, _reason) = serve();
    let announcement = r#"451-["bytes",{"_placeholder":true,"num":0}]"#;
    for (query, attachment) in [("", (BINARY, vec![1, 2, 3])), ("&b64=1", (TEXT, b"bAQID".to_vec()))] {
        let mut raw = server.join(query);
        raw.frame(TEXT, br#"42["bytes"]"#);
        assert_eq!(raw.text(), announcement, "{query}");
        assert_eq!(raw.next_frame(), attachment, "{query}");
    }
}

#[test]
fn per_message_deflate_is_not_agreed_to() {
    let (server, _reason) = serve();
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut raw = server.upgrade(TARGET, offer);
    let answer = raw.answer();
    assert_eq!((answer.status(), answer.field("Sec-WebSocket-Extensions")), ("101", None));
    assert!(raw.text().starts_with("0{"));
    // A compressed message has a bit that means nothing without the extension (RFC 7692, section 6).
    raw.frame(TEXT | 0x40, b"40");
    assert_eq!(raw.next_frame(), (CLOSE, vec![0x03, 0xea]));
}

#[test]
fn an_upgrade_on_another_path_is_answered_at_once_as_any_request_is() {
    let (server, _reason) = serve();
    for (target, status) in [("/", "200"), ("/chat", "404"), ("/socket.io?EIO=4&transport=websocket", "404")] {
        assert_eq!(server.upgrade(target, "").answer().status(), status, "{target}");
    }
}

#[test]
fn what_comes_with_the_request_is_answered_behind_the_head() {
    let (server, _reason) = serve();
    for (sent, answer) in [(frame(PING, b"x"), (PONG, b"x".to_vec())), (frame(CLOSE, b""), (CLOSE, Vec::new()))] {
        let mut raw = server.connect();
        raw.send([websocket_head(TARGET, "").into_bytes(), sent].concat());
        assert_eq!(raw.answer().status(), "101");
        assert!(raw.text().starts_with("0{"));
        assert_eq!(raw.next_frame(), answer);
    }
}

#[test]
fn what_was_asked_together_with_the_end_is_answered_before_it() {
    let (server, _reason) = serve();
    let mut raw = server.open("");
    // CONNECT, an event and a close frame in one piece: what follows a CONNECT is held back, but not until it is too late.
    raw.send([frame(TEXT, b"40"), frame(TEXT, br#"42["echo","x"]"#), frame(CLOSE, b"")].concat());
    assert!(raw.text().starts_with("40{"));
    assert_eq!(raw.text(), r#"42["echo","x"]"#);
    assert_eq!(raw.next_frame().0, CLOSE);
}

#[test]
fn who_says_much_at_once_is_answered_while_a_broadcast_is_sent() {
    let limits = Limits { max_outbox_packets: 64, ..Limits::default() };
    let server = run(Config { limits, ..Config::default() }, |io| {
        io.on("all", |socket, (), _ack| socket.everybody().emit("all", ()));
        io.on("echo", |socket, text: String, _ack| socket.emit("echo", text));
    });
    let mut listeners: Vec<_> = (0..100).map(|_| server.join("")).collect();
    let mut speaker = server.join("");
    for round in 0..5 {
        // All of it is there before the first is answered, and everybody is to be sent something first.
        let echo = frame(TEXT, br#"42["echo","x"]"#);
        speaker.send([frame(TEXT, br#"42["all"]"#), echo.repeat(1_000)].concat());
        let mut echoes = 0;
        while echoes < 1_000 {
            match speaker.text().as_str() {
                r#"42["echo","x"]"# => echoes += 1,
                other => assert_eq!((other, echoes), (r#"42["all"]"#, 0), "round {round}"),
            }
        }
        assert!(listeners.iter_mut().all(|listener| listener.text() == r#"42["all"]"#));
    }
}

#[test]
fn all_get_their_close_frame_when_the_server_stops() {
    let (server, _reason) = serve();
    // More than are woken in one go.
    let mut all: Vec<_> = (0..100).map(|_| server.join("")).collect();
    server.handle.shut_down();
    for raw in &mut all {
        assert_eq!(raw.next_frame(), (CLOSE, vec![]));
    }
}

#[test]
fn all_who_are_disconnected_at_once_get_their_close_frame() {
    let server = run(Config::default(), |io| {
        io.on("everybody", |socket, (), _ack| socket.everybody().disconnect(true));
    });
    let mut all: Vec<_> = (0..100).map(|_| server.join("")).collect();
    all[50].frame(TEXT, br#"42["everybody"]"#);
    for raw in &mut all {
        assert_eq!((raw.text().as_str(), raw.next_frame()), ("41", (CLOSE, vec![])));
    }
}

//! How the server ends sessions, and which reasons everybody is given (rows T22, H2 to H5, P11 to P16 of the measured facts).

use sprat_core::time::Duration;
use sprat_core::{CloseReason, Limits};
use sprat_tests::driver::head;
use sprat_tests::{Answered, Bench, Body, Frame};

fn disconnect(bench: &mut Bench, close: bool) {
    let socket = bench.newest();
    bench.enter(|_, context| context.disconnect(socket, close));
}

#[test]
fn a_websocket_client_is_told_and_then_closed() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    disconnect(&mut bench, true);
    assert_eq!(bench.all(line), [Frame::Text("41".into())]);
    assert!(bench.is_closed(line));
    assert_eq!(bench.reasons(), ["server namespace disconnect"]);
    assert!(bench.server().is_idle());
}

#[test]
fn a_polling_client_is_told_by_its_next_polls() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    disconnect(&mut bench, true);
    assert_eq!(bench.reasons(), ["server namespace disconnect"]);
    assert_eq!(bench.pull(&sid), "41");
    assert_eq!(bench.pull(&sid), "6\x1e1");
    assert!(bench.server().is_idle());
}

#[test]
fn a_polling_client_whose_poll_waits_is_told_by_it_and_the_next() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    disconnect(&mut bench, true);
    assert_eq!(bench.http(poll), (200, "41".into()));
    assert_eq!(bench.pull(&sid), "6\x1e1");
    assert!(bench.server().is_idle());
}

#[test]
fn a_slow_websocket_client_gets_all_before_the_end() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.stall(line, true);
    bench.send_text(line, r#"42["echo",1]"#);
    bench.send_text(line, r#"42["echo",2]"#);
    disconnect(&mut bench, true);
    // What it still says is not heard.
    bench.send_text(line, r#"42["echo",3]"#);
    assert!(!bench.is_closed(line));
    bench.stall(line, false);
    let expected = [r#"42["echo",1]"#, r#"42["echo",2]"#, "41"].map(|text| Frame::Text(text.into()));
    assert_eq!(bench.all(line), expected);
    assert!(bench.is_closed(line));
}

#[test]
fn a_client_that_never_comes_to_be_told_is_forgotten_after_30_s() {
    let mut bench = Bench::limited(Limits { unread_timeout: Duration::from_ms(60_000), ..Limits::default() });
    let (sid, _) = bench.connect_polling();
    let (line, _) = bench.connect_websocket();
    bench.stall(line, true);
    bench.send_text(line, r#"42["echo",1]"#);
    for _ in 0..2 {
        let socket = bench.enter(|app, _| app.sockets[0]);
        bench.enter(|_, context| context.disconnect(socket, true));
    }
    bench.advance(29_999);
    assert_eq!(bench.server().sessions(), 2);
    bench.advance(1);
    assert!(bench.server().is_idle());
    assert!(bench.is_closed(line));
    let poll = bench.poll(&sid);
    assert_eq!(bench.http(poll), (400, r#"{"code":1,"message":"Session ID unknown"}"#.into()));
    assert_eq!(bench.closed, [CloseReason::ServerNamespaceDisconnect; 2]);
}

#[test]
fn a_closing_session_is_not_pinged_and_its_client_may_still_leave() {
    let limits =
        Limits { ping_interval: Duration::from_ms(300), ping_timeout: Duration::from_ms(200), ..Limits::default() };
    let mut bench = Bench::limited(limits);
    let (sid, _) = bench.connect_polling();
    disconnect(&mut bench, true);
    bench.advance(10_000);
    assert_eq!(bench.pull(&sid), "41");
    bench.push(&sid, "1");
    assert!(bench.server().is_idle());
    assert_eq!(bench.closed, [CloseReason::ServerNamespaceDisconnect]);
}

#[test]
fn the_end_of_a_closing_session_also_ends_a_post_that_is_under_way() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = bench.request(&head("POST", &target, &[("Content-Length", "12")]), Body::Later);
    disconnect(&mut bench, true);
    assert_eq!(bench.pull(&sid), "41");
    assert_eq!(bench.pull(&sid), "6\x1e1");
    assert_eq!(bench.answer(post), Some(&Answered::Destroyed));
    assert!(bench.server().is_idle());
}

#[test]
fn a_packet_at_the_wrong_time_ends_the_session_with_a_reason_that_depends_on_the_transport() {
    for packet in ["40", r#"42/custom,["x"]"#] {
        let mut bench = Bench::plain();
        let (line, _) = bench.connect_websocket();
        bench.send_text(line, &format!("4{}", &packet[1..]));
        assert!(bench.is_closed(line), "{packet}");
        assert_eq!(bench.reasons(), ["forced close"], "{packet}");

        let (sid, _) = bench.connect_polling();
        let poll = bench.poll(&sid);
        bench.push(&sid, packet);
        assert_eq!(bench.http(poll), (200, "1".into()), "{packet}");
        assert_eq!(bench.reasons(), ["forced close"], "{packet}");

        let (sid, _) = bench.connect_polling();
        bench.push(&sid, packet);
        assert_eq!(bench.reasons(), ["forced server close"], "{packet}");
        assert_eq!(bench.pull(&sid), "6\x1e1", "{packet}");
        assert!(bench.server().is_idle());
    }
}

#[test]
fn a_malformed_packet_ends_the_session_with_forced_close_over_any_transport() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, "42[");
    assert!(bench.is_closed(line));
    let (sid, _) = bench.connect_polling();
    bench.push(&sid, "42[");
    assert_eq!(bench.pull(&sid), "6\x1e1");
    assert_eq!(bench.reasons(), ["forced close"; 2]);
}

#[test]
fn how_a_websocket_ended_is_the_reason() {
    let mut bench = Bench::plain();
    for (reason, text) in
        [(CloseReason::TransportClose, "transport close"), (CloseReason::TransportError, "transport error")]
    {
        let (line, _) = bench.connect_websocket();
        bench.lose_line(line, reason);
        assert_eq!(bench.reasons(), [text]);
    }
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, "1");
    assert!(bench.is_closed(line));
    assert_eq!(bench.reasons(), ["transport close"]);
    assert!(bench.server().is_idle());
}

#[test]
fn the_first_reason_stays() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.stall(line, true);
    bench.send_text(line, r#"42["echo",1]"#);
    disconnect(&mut bench, true);
    bench.lose_line(line, CloseReason::TransportError);
    assert_eq!(bench.reasons(), ["server namespace disconnect"]);
    assert_eq!(bench.closed, [CloseReason::ServerNamespaceDisconnect]);
}

#[test]
fn a_dropped_connection_is_not_told_why() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    bench.enter(|_, context| context.drop_connection(socket));
    assert_eq!(bench.all(line), []);
    assert!(bench.is_closed(line));
    assert_eq!(bench.reasons(), ["forced close"]);
}

#[test]
fn rooms_are_still_there_while_a_socket_is_leaving() {
    use sprat_tests::Call;
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let (_, _) = bench.connect_websocket();
    let sockets = bench.enter(|app, _| app.sockets.clone());
    for socket in &sockets {
        bench.enter(|_, context| context.join(*socket, "room")).unwrap();
    }
    bench.calls();
    bench.lose_line(line, CloseReason::TransportClose);
    let expected = [
        Call::Disconnecting(sockets[0], CloseReason::TransportClose, 1),
        Call::Disconnect(sockets[0], CloseReason::TransportClose),
    ];
    assert_eq!(bench.calls(), expected);
}

//! The end of the server: everybody is closed without a DISCONNECT, so that clients come back (row `close` of section 1e of
//! the measured facts).

use sprat_core::time::Duration;
use sprat_core::{CloseReason, Limits};
use sprat_tests::driver::head;
use sprat_tests::{Answered, Bench, Body, Frame};

#[test]
fn every_client_is_closed_over_whatever_it_uses() {
    let mut bench = Bench::limited(Limits { unread_timeout: Duration::from_ms(60_000), ..Limits::default() });
    let (websocket, _) = bench.connect_websocket();
    let (stuck, _) = bench.connect_websocket();
    bench.stall(stuck, true);
    bench.send_text(stuck, r#"42["echo",1]"#);
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    let (busy, _) = bench.connect_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={busy}");
    let post = bench.request(&head("POST", &target, &[("Content-Length", "9")]), Body::Later);
    let (upgrading, _) = bench.connect_polling();
    let probe = bench.probe(&upgrading);
    let probe = bench.line(probe);
    let (closing, _) = bench.connect_polling();
    let socket = bench.newest();
    bench.enter(|_, context| context.disconnect(socket, true));
    bench.advance(25_000);
    bench.open_websocket();
    assert_eq!(bench.all(websocket), [Frame::Text("2".into())]);
    bench.calls();

    bench.shut_down();
    assert!(bench.server().is_idle());
    assert_eq!(bench.frames_bytes(), 0);
    assert_eq!(bench.server().deadline(), None);
    assert_eq!(bench.all(websocket), [], "no DISCONNECT");
    assert!(bench.is_closed(websocket) && bench.is_closed(stuck) && bench.is_closed(probe));
    assert_eq!(bench.http(poll), (200, "2".into()), "the ping came first");
    assert_eq!(bench.answer(post), Some(&Answered::Destroyed));
    assert_eq!(bench.reasons(), ["server shutting down"; 5]);
    let mut reasons = bench.closed.clone();
    reasons.retain(|reason| *reason != CloseReason::ServerShuttingDown);
    assert_eq!(reasons, [CloseReason::ServerNamespaceDisconnect]);
    for sid in [sid, busy, upgrading, closing] {
        let poll = bench.poll(&sid);
        assert_eq!(bench.http(poll).0, 400);
    }
}

#[test]
fn a_waiting_poll_is_told() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    bench.shut_down();
    assert_eq!(bench.http(poll), (200, "1".into()));
}

#[test]
fn nobody_gets_in_any_more() {
    let mut bench = Bench::plain();
    bench.shut_down();
    let polling = bench.get("/socket.io/?EIO=4&transport=polling");
    let websocket = bench.upgrade("/socket.io/?EIO=4&transport=websocket");
    for exchange in [polling, websocket] {
        assert_eq!(bench.http(exchange).0, 503);
    }
}

#[test]
fn the_application_still_hears_of_everybody_and_its_timers() {
    let mut bench = Bench::plain();
    for _ in 0..50 {
        bench.connect_websocket();
    }
    bench.enter(|_, context| context.set_timer(Duration::from_ms(10), 1)).unwrap();
    bench.calls();
    bench.shut_down();
    assert_eq!(bench.reasons(), ["server shutting down"; 50]);
    bench.advance(10);
    assert_eq!(bench.calls(), [sprat_tests::Call::Timer(1)]);
}

//! Identifiers of what is gone do nothing, and whoever comes after gets nothing of its predecessor's.

use sprat_core::app::Message;
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Input, Payload, Target};
use sprat_tests::driver::head;
use sprat_tests::memory::{self, Memory};
use sprat_tests::{Bench, Body, Call, Driver, Frame, Recorder};

#[test]
fn a_websocket_that_is_gone_does_nothing_to_the_next_in_its_place() {
    let mut bench = Bench::plain();
    let (old, _) = bench.connect_websocket();
    let stale = bench.transport(old);
    bench.stall(old, true);
    bench.enter(|_, context| context.emit(Target::all(), "old", Payload::default())).unwrap();
    bench.enter(|_, context| context.emit(Target::all(), "old", Payload::default())).unwrap();
    bench.lose_line(old, CloseReason::TransportClose);
    let (new, _) = bench.connect_websocket();
    assert_eq!(bench.transport(new).session().index(), stale.session().index(), "the slot was used again");
    bench.stall(new, true);
    bench.enter(|_, context| context.emit(Target::all(), "new", Payload::default())).unwrap();
    let (before, frames) = (bench.closed.len(), bench.frames_bytes());
    bench.calls();
    bench.input(Input::Message { transport: stale, message: Message::Text(r#"42["x"]"#) });
    bench.input(Input::Message { transport: stale, message: Message::Text("9") });
    bench.input(Input::Message { transport: stale, message: Message::Binary(&[1]) });
    bench.input(Input::Flushed { transport: stale });
    bench.input(Input::TransportLost { transport: stale, reason: CloseReason::TransportError });
    assert_eq!(bench.calls(), []);
    assert_eq!((bench.closed.len(), bench.frames_bytes()), (before, frames));
    bench.stall(new, false);
    assert_eq!(bench.all(new), [Frame::Text(r#"42["new"]"#.into())]);
}

#[test]
fn a_request_that_is_gone_does_nothing_to_the_next_session_in_its_place() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = bench.request(&head("POST", &target, &[("Content-Length", "8")]), Body::Later);
    let poll = bench.poll(&sid);
    let (session, post_id, poll_id) = (bench.session(post).unwrap(), bench.request_id(post), bench.request_id(poll));
    bench.lose_request(poll);
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    assert_eq!(bench.session(poll).unwrap().index(), session.index(), "the slot was used again");
    bench.calls();
    bench.input(Input::Body { request: post_id, session, body: br#"42["x"]"# });
    bench.input(Input::BodyTooLarge { request: post_id, session });
    bench.input(Input::RequestLost { request: post_id, session });
    bench.input(Input::RequestLost { request: poll_id, session });
    // The right session, and a request that is not its own.
    let session = bench.session(poll).unwrap();
    bench.input(Input::Body { request: post_id, session, body: br#"42["x"]"# });
    bench.input(Input::BodyTooLarge { request: post_id, session });
    bench.input(Input::RequestLost { request: poll_id, session });
    assert_eq!(bench.calls(), []);
    assert_eq!(bench.answer(poll), None);
    bench.enter(|_, context| context.emit(Target::all(), "new", Payload::default())).unwrap();
    assert_eq!(bench.http(poll), (200, r#"42["new"]"#.into()));
}

#[test]
fn a_poll_of_the_predecessor_is_never_answered_with_packets_of_the_successor() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.enter(|_, context| context.emit(Target::all(), "old", Payload::default())).unwrap();
    bench.push(&sid, "1");
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    assert_eq!(bench.answer(poll), None);
    bench.enter(|_, context| context.emit(Target::all(), "new", Payload::default())).unwrap();
    assert_eq!(bench.http(poll), (200, r#"42["new"]"#.into()));
}

#[test]
fn a_websocket_that_failed_to_take_over_does_nothing_to_the_one_that_does() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let stale = bench.line(probe);
    bench.send_text(stale, "x");
    let stale = bench.transport(stale);
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    for step in ["2probe", "5"] {
        bench.input(Input::Message { transport: stale, message: Message::Text("2probe") });
        bench.input(Input::Message { transport: stale, message: Message::Text("5") });
        bench.input(Input::TransportLost { transport: stale, reason: CloseReason::TransportClose });
        bench.send_text(line, step);
    }
    bench.input(Input::Message { transport: stale, message: Message::Text(r#"42["x"]"#) });
    bench.input(Input::TransportLost { transport: stale, reason: CloseReason::TransportClose });
    bench.send_text(line, r#"42["echo",1]"#);
    assert_eq!(bench.all(line), ["3probe", r#"42["echo",1]"#].map(|text| Frame::Text(text.into())));
}

#[test]
fn a_probing_websocket_that_has_sent_its_answer_says_nothing_of_what_polling_holds() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.slow_polls = true;
    bench.push(&sid, r#"42["echo",1]"#);
    let poll = bench.poll(&sid);
    let before = bench.frames_bytes();
    bench.send_text(line, "2probe");
    assert_eq!(bench.all(line), [Frame::Text("3probe".into())]);
    assert_eq!(bench.frames_bytes(), before, "the answer to the poll is still on its way");
    bench.finish_poll(poll);
    assert!(bench.frames_bytes() < before);
    assert_eq!(bench.http(poll), (200, r#"42["echo",1]"#.into()));
}

#[test]
fn sockets_acknowledgements_and_timers_that_are_gone_mean_nobody() {
    let mut bench = Bench::plain();
    let (line, old_id) = bench.connect_websocket();
    let old = bench.newest();
    bench.send_text(line, r#"420["later"]"#);
    bench.enter(|_, context| context.emit_with_ack(old, "q", Payload::default(), Some(Duration::from_ms(10)))).unwrap();
    bench.lose_line(line, CloseReason::TransportClose);
    let (line, _) = bench.connect_websocket();
    let new = bench.newest();
    assert_ne!(old, new);
    bench.calls();
    let reply = bench.enter(|app, _| app.replies.pop().unwrap());
    bench.enter(|_, context| {
        context.acknowledge(reply, Payload::default()).unwrap();
        context.emit(Target::socket(old), "x", Payload::default()).unwrap();
        context.emit(Target::all().rooms(&[&old_id]), "x", Payload::default()).unwrap();
        assert!(context.join(old, "room").is_err());
        assert!(context.set_data(old, b"old").is_err());
        assert!(context.emit_with_ack(old, "x", Payload::default(), None).is_err());
        context.disconnect(old, true);
        context.drop_connection(old);
        context.accept(old);
        context.refuse(old, "", None);
        context.leave(old, "/");
        assert_eq!(context.count(Target::socket(old)), 0);
        assert_eq!(context.count(Target::all().except(old)), 1);
        assert_eq!(context.data(new), b"");
    });
    bench.advance(100);
    assert_eq!(bench.all(line), []);
    assert_eq!(bench.calls(), []);
    assert!(!bench.is_closed(line));

    let first = bench.enter(|_, context| context.set_timer(Duration::from_ms(5), 1)).unwrap();
    bench.advance(5);
    bench.enter(|_, context| context.set_timer(Duration::from_ms(5), 2)).unwrap();
    bench.enter(|_, context| context.cancel_timer(first));
    bench.advance(5);
    assert_eq!(bench.calls(), [Call::Timer(1), Call::Timer(2)]);
}

#[test]
fn a_plain_session_that_is_gone_gets_nothing() {
    let mut driver: Driver<Recorder, Memory> =
        Driver::new(Recorder::of_engine(), memory::roomy(2), sprat_core::Limits::default());
    let (line, _) = driver.open_websocket();
    let stale = driver.transport(line).session();
    driver.lose_line(line, CloseReason::TransportClose);
    let (line, _) = driver.open_websocket();
    driver.enter(|_, context| {
        context.send(stale, Message::Text("x")).unwrap();
        context.send(stale, Message::Binary(&[1])).unwrap();
        context.close(stale);
    });
    assert_eq!(driver.all(line), []);
    assert!(!driver.is_closed(line));
}

//! Engine.IO without Socket.IO: the same server, another layer above.

use sprat_core::app::Message;
use sprat_core::{CloseReason, Limits};
use sprat_tests::{Bench, Call, Frame, Recorder, memory};

fn bench() -> Bench {
    Bench::new(Recorder::of_engine(), memory::roomy(4), Limits::default())
}

#[test]
fn messages_come_back_over_a_websocket() {
    let mut bench = bench();
    let (line, _) = bench.open_websocket();
    let session = bench.transport(line).session();
    bench.send_text(line, "4hello");
    bench.send_binary(line, &[1, 2, 3]);
    bench.send_text(line, "4");
    bench.send_text(line, "bAQID");
    assert_eq!(
        bench.all(line),
        [
            Frame::Text("4hello".into()),
            Frame::Binary(vec![1, 2, 3]),
            Frame::Text("4".into()),
            Frame::Binary(vec![1, 2, 3])
        ]
    );
    bench.lose_line(line, CloseReason::TransportClose);
    assert_eq!(
        bench.calls(),
        [
            Call::Open(session),
            Call::Message(session, Ok("hello".into())),
            Call::Message(session, Err(vec![1, 2, 3])),
            Call::Message(session, Ok(String::new())),
            Call::Message(session, Err(vec![1, 2, 3])),
            Call::Close(session, CloseReason::TransportClose)
        ]
    );
    assert!(bench.server().is_idle());
    assert_eq!(bench.frames_bytes(), 0);
}

#[test]
fn messages_come_back_over_polling_and_through_an_upgrade() {
    let mut bench = bench();
    let sid = bench.open_polling();
    bench.push(&sid, "4a\x1ebAQID\x1e4b");
    assert_eq!(bench.pull(&sid), "4a\x1ebAQID\x1e4b");
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.push(&sid, "4c");
    bench.send_text(line, "5");
    bench.send_text(line, "4d");
    let expected = ["3probe", "4c", "4d"].map(|text| Frame::Text(text.into()));
    assert_eq!(bench.all(line), expected);
}

#[test]
fn nobody_has_to_join_anything() {
    let mut bench = bench();
    let (line, _) = bench.open_websocket();
    for _ in 0..10 {
        bench.advance(25_000);
        bench.send_text(line, "3");
    }
    assert!(!bench.is_closed(line));
    bench.send_text(line, "4still here");
    assert_eq!(bench.all(line).last(), Some(&Frame::Text("4still here".into())));
}

#[test]
fn what_is_queued_is_delivered_before_the_end() {
    let mut bench = bench();
    let sid = bench.open_polling();
    let session = bench.enter(|app, _| {
        let Call::Open(session) = app.calls[0] else { panic!("{:?}", app.calls) };
        session
    });
    bench.enter(|_, context| {
        context.send(session, Message::Text("last")).unwrap();
        context.close(session);
        context.send(session, Message::Text("too late")).unwrap();
    });
    assert_eq!(bench.pull(&sid), "4last");
    bench.calls();
    assert_eq!(bench.pull(&sid), "6\x1e1");
    assert_eq!(bench.calls(), [Call::Close(session, CloseReason::ForcedClose)]);
    assert!(bench.server().is_idle());
}

#[test]
fn a_client_that_takes_nothing_is_closed() {
    let limits = Limits { outbox_packets_max: 4, outbox_bytes_max: 100, ..Limits::default() };
    for message in ["4text", "bAQID"] {
        let mut bench = Bench::new(Recorder::of_engine(), memory::roomy(4), limits.clone());
        let (line, _) = bench.open_websocket();
        let session = bench.transport(line).session();
        bench.stall(line, true);
        for _ in 0..4 {
            bench.send_text(line, message);
        }
        assert!(!bench.is_closed(line));
        bench.calls();
        bench.send_text(line, message);
        assert!(bench.is_closed(line));
        assert_eq!(bench.calls().last(), Some(&Call::Close(session, CloseReason::OutboxFull)));
    }
}

#[test]
fn how_it_ended_is_told() {
    let mut bench = bench();
    for (packet, reason) in
        [("1", CloseReason::TransportClose), ("2", CloseReason::TransportError), ("9", CloseReason::ParseError)]
    {
        let sid = bench.open_polling();
        bench.calls();
        bench.push(&sid, packet);
        let calls = bench.calls();
        assert!(matches!(calls[..], [Call::Close(_, told)] if told == reason), "{calls:?}");
    }
}

//! Events and acknowledgements, both ways (Socket.IO protocol, "Acknowledgement"; rows P3 to P5 of the measured facts).

use sprat_core::error::CapacityError;
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Limits, Payload, Target};
use sprat_tests::{Bench, Call, Frame};

#[test]
fn an_event_reaches_the_application_as_it_was_sent() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    bench.calls();
    for (text, name, args, reply) in [
        (r#"42["a"]"#, r#""a""#, "", false),
        (r#"42["a",1,{"b":[null]}]"#, r#""a""#, r#"1,{"b":[null]}"#, false),
        (r#"42[ "a" , "\u0041" ]"#, r#""a""#, r#""\u0041""#, false),
        (r#"42[1,2]"#, "1", "2", false),
        ("42", "", "", false),
        (r#"420["a"]"#, r#""a""#, "", true),
        (r#"42 7["a"]"#, r#""a""#, "", true),
    ] {
        bench.send_text(line, text);
        let expected = Call::Event(socket, name.into(), args.into(), Vec::new(), reply);
        assert_eq!(bench.calls(), [expected], "{text}");
    }
}

#[test]
fn an_acknowledgement_carries_the_number_of_its_event() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    for (event, ack) in [
        (r#"420["echo"]"#, "430[]"),
        (r#"421["echo","a",{}]"#, r#"431["a",{}]"#),
        (r#"42007["echo",1]"#, "437[1]"),
        (r#"42 7["echo",1]"#, "437[1]"),
        (r#"429007199254740991["echo"]"#, "439007199254740991[]"),
    ] {
        bench.send_text(line, event);
        assert_eq!(bench.text(line), ack, "{event}");
    }
}

#[test]
fn an_acknowledgement_may_be_given_later_and_to_nobody() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, r#"423["later"]"#);
    bench.send_text(line, r#"424["later"]"#);
    assert_eq!(bench.all(line), []);
    let mut replies = bench.enter(|app, _| core::mem::take(&mut app.replies));
    let (second, first) = (replies.pop().unwrap(), replies.pop().unwrap());
    bench.enter(|_, context| context.acknowledge(second, Payload::json("2"))).unwrap();
    assert_eq!(bench.all(line), [Frame::Text("434[2]".into())]);
    bench.lose_line(line, CloseReason::TransportClose);
    // Another client in the same place gets nothing of it.
    let (other, _) = bench.connect_websocket();
    bench.enter(|_, context| context.acknowledge(first, Payload::json("1"))).unwrap();
    assert_eq!(bench.all(other), []);
}

#[test]
fn a_client_acknowledges_once_and_only_what_it_was_asked() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    let mut asked = Vec::new();
    for number in 0..3 {
        let json = number.to_string();
        asked.push(bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::json(&json), None)).unwrap());
        assert_eq!(bench.text(line), format!(r#"42{number}["q",{number}]"#));
    }
    bench.calls();
    for (text, expected) in [
        ("43999[1]", None),
        ("43[1]", None),
        (r#"431["a"]"#, Some(1)),
        (r#"431["a"]"#, None),
        (r#"430[]"#, Some(0)),
        (r#"432[]"#, Some(2)),
        (r#"432[]"#, None),
    ] {
        bench.send_text(line, text);
        let args = if text.contains('a') { r#""a""# } else { "" };
        let expected = expected.map(|at: usize| Call::Ack(socket, asked[at], args.into(), Vec::new()));
        assert_eq!(bench.calls(), Vec::from_iter(expected), "{text}");
    }
    assert!(!bench.is_closed(line));
}

#[test]
fn another_client_cannot_acknowledge_for_the_one_that_was_asked() {
    let mut bench = Bench::plain();
    let (asked, _) = bench.connect_websocket();
    let socket = bench.newest();
    let (other, _) = bench.connect_websocket();
    let ack = bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), None)).unwrap();
    bench.calls();
    bench.send_text(other, "430[1]");
    assert_eq!(bench.calls(), []);
    bench.send_text(asked, "430[2]");
    assert_eq!(bench.calls(), [Call::Ack(socket, ack, "2".into(), Vec::new())]);
}

#[test]
fn an_acknowledgement_that_is_too_late_counts_as_none() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    let ask = |timeout_ms: Option<u64>, bench: &mut Bench| {
        let timeout = timeout_ms.map(Duration::from_ms);
        bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), timeout)).unwrap()
    };
    let (slow, quick, never) = (ask(Some(500), &mut bench), ask(Some(100), &mut bench), ask(None, &mut bench));
    bench.calls();
    bench.advance(99);
    assert_eq!(bench.calls(), []);
    bench.advance(1);
    assert_eq!(bench.calls(), [Call::AckTimeout(socket, quick)]);
    bench.send_text(line, "431[]");
    assert_eq!(bench.calls(), []);
    bench.send_text(line, "430[]");
    assert_eq!(bench.calls(), [Call::Ack(socket, slow, String::new(), Vec::new())]);
    bench.advance(10_000);
    assert_eq!(bench.calls(), []);
    bench.send_text(line, "432[]");
    assert_eq!(bench.calls(), [Call::Ack(socket, never, String::new(), Vec::new())]);
}

#[test]
fn nothing_is_heard_of_what_a_client_owed_when_it_left() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    bench
        .enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), Some(Duration::from_ms(100))))
        .unwrap();
    bench.lose_line(line, CloseReason::TransportClose);
    bench.calls();
    assert!(bench.server().is_idle());
    assert_eq!(bench.server().deadline(), None);
    bench.advance(1_000);
    assert_eq!(bench.calls(), []);
    let gone = bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), None));
    assert_eq!(gone, Err(CapacityError::Gone));
}

#[test]
fn a_client_cannot_owe_more_than_the_limit() {
    let mut bench = Bench::limited(Limits { acks_by_socket_max: 2, ..Limits::default() });
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    let mut ask = || bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), None));
    assert!(ask().is_ok());
    assert!(ask().is_ok());
    assert_eq!(ask(), Err(CapacityError::Acks));
    bench.send_text(line, "431[]");
    let again = bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::default(), None));
    assert!(again.is_ok());
    let expected = ["420[\"q\"]", "421[\"q\"]", "423[\"q\"]"];
    let texts = bench.all(line);
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(texts[..2], [expected[0], expected[1]].map(|text| Frame::Text(text.into())));
}

#[test]
fn names_and_arguments_are_written_as_json() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench
        .enter(|_, context| context.emit(Target::all(), "a \"b\"\n\u{1e}\\", Payload::json(r#"{"x":1},null"#)))
        .unwrap();
    assert_eq!(bench.text(line), r#"42["a \"b\"\n\u001e\\",{"x":1},null]"#);
}

#[test]
fn timers_come_when_they_are_due_unless_they_are_cancelled() {
    let mut bench = Bench::plain();
    let timer = bench.enter(|_, context| {
        context.set_timer(Duration::from_ms(300), 3).unwrap();
        context.set_timer(Duration::from_ms(100), 1).unwrap();
        context.set_timer(Duration::from_ms(200), 2).unwrap()
    });
    bench.advance(150);
    assert_eq!(bench.calls(), [Call::Timer(1)]);
    bench.enter(|_, context| context.cancel_timer(timer));
    bench.advance(1_000);
    assert_eq!(bench.calls(), [Call::Timer(3)]);
    bench.enter(|_, context| context.cancel_timer(timer));
    assert_eq!(bench.server().deadline(), None);
    for key in 0..64 {
        bench.enter(|_, context| context.set_timer(Duration::from_ms(1), key)).unwrap();
    }
    let full = bench.enter(|_, context| context.set_timer(Duration::from_ms(1), 64));
    assert_eq!(full, Err(CapacityError::Timers));
}

//! Binary packets: an announcement and its attachments (Socket.IO protocol, "Binary event"; rows P7 to P9, T8 and T9 of the
//! measured facts).

use sprat_core::app::Attachments;
use sprat_core::{Limits, Payload, Target};
use sprat_tests::{Bench, Call, Frame, Plan, Recorder, World};

const ONE: &str = r#"451-["echo",{"_placeholder":true,"num":0}]"#;

fn text(text: &str) -> Frame {
    Frame::Text(text.into())
}

#[test]
fn an_event_comes_with_its_attachments_and_goes_back_with_them() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    let event = r#"452-["echo",{"_placeholder":true,"num":0},"x",{"a":{"num":1,"_placeholder":true}}]"#;
    bench.calls();
    bench.send_text(line, event);
    bench.send_binary(line, &[1, 2, 3]);
    assert_eq!(bench.calls(), []);
    bench.send_binary(line, &[]);
    let args = r#"{"_placeholder":true,"num":0},"x",{"a":{"num":1,"_placeholder":true}}"#;
    let attachments = vec![vec![1, 2, 3], vec![]];
    assert_eq!(bench.calls(), [Call::Event(socket, r#""echo""#.into(), args.into(), attachments, false)]);
    assert_eq!(bench.all(line), [text(event), Frame::Binary(vec![1, 2, 3]), Frame::Binary(vec![])]);
}

#[test]
fn an_acknowledgement_may_be_binary_both_ways() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, r#"451-7["echo",{"_placeholder":true,"num":0}]"#);
    bench.send_binary(line, &[9]);
    assert_eq!(bench.all(line), [text(r#"461-7[{"_placeholder":true,"num":0}]"#), Frame::Binary(vec![9])]);
    let socket = bench.newest();
    let payload = Payload { json: r#"{"_placeholder":true,"num":0}"#, attachments: Attachments::Bytes(&[&[1, 2]]) };
    let ack = bench.enter(|_, context| context.emit_with_ack(socket, "q", payload, None)).unwrap();
    assert_eq!(bench.all(line), [text(r#"451-0["q",{"_placeholder":true,"num":0}]"#), Frame::Binary(vec![1, 2])]);
    bench.calls();
    bench.send_text(line, r#"461-0[{"_placeholder":true,"num":0}]"#);
    bench.send_binary(line, &[5]);
    assert_eq!(bench.calls(), [Call::Ack(socket, ack, r#"{"_placeholder":true,"num":0}"#.into(), vec![vec![5]])]);
}

#[test]
fn over_polling_attachments_are_base64() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.push(&sid, format!("{ONE}\x1ebAQID"));
    assert_eq!(bench.pull(&sid), format!("{ONE}\x1ebAQID"));
    // In two bodies, and without its padding.
    bench.push(&sid, ONE);
    bench.push(&sid, "bAQ");
    assert_eq!(bench.pull(&sid), format!("{ONE}\x1ebAQ=="));
    bench.push(&sid, format!("42[\"echo\",\"a\"]\x1e{ONE}\x1eb\x1e42[\"echo\",\"c\"]"));
    assert_eq!(bench.pull(&sid), format!("42[\"echo\",\"a\"]\x1e{ONE}\x1eb\x1e42[\"echo\",\"c\"]"));
}

#[test]
fn a_client_that_cannot_take_binary_gets_base64_on_a_websocket() {
    let mut bench = Bench::plain();
    let exchange = bench.upgrade("/socket.io/?EIO=4&transport=websocket&b64=1");
    let line = bench.line(exchange);
    bench.text(line);
    bench.send_text(line, "40");
    bench.text(line);
    bench.send_text(line, ONE);
    bench.send_text(line, "bAQID");
    assert_eq!(bench.all(line), [text(ONE), text("bAQID")]);
    // Others get binary, however it came.
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, ONE);
    bench.send_text(line, "bAQID");
    assert_eq!(bench.all(line), [text(ONE), Frame::Binary(vec![1, 2, 3])]);
}

#[test]
fn heartbeats_may_come_between_an_announcement_and_its_attachments() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.advance(25_000);
    assert_eq!(bench.text(line), "2");
    bench.send_text(line, ONE);
    bench.send_text(line, "3");
    bench.send_text(line, "6");
    bench.send_binary(line, &[1]);
    assert_eq!(bench.all(line), [text(ONE), Frame::Binary(vec![1])]);
}

#[test]
fn nothing_comes_between_on_the_way_to_the_client() {
    let mut world = World::new(Recorder::default());
    let clients = [Plan::Polling, Plan::WebSocket, Plan::Upgrade].map(|plan| world.join(plan));
    for round in 0..20_u8 {
        for client in clients {
            world.send_binary(
                client,
                r#"52-["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#,
                &[&[round], &[round, round]],
            );
        }
        world.enter(|_, context| context.emit(Target::all(), "text", Payload::json("1"))).unwrap();
        world.run(5_000);
    }
    world.settle();
    for client in clients {
        let echoes = world.client(client).events.iter().filter(|event| event.name == "echo");
        let attachments: Vec<_> = echoes.map(|event| event.attachments.clone()).collect();
        let expected: Vec<_> = (0..20_u8).map(|round| vec![vec![round], vec![round, round]]).collect();
        assert_eq!(attachments, expected);
        assert_eq!(world.client(client).args_of("text").len(), 20);
        assert!(world.client(client).pings > 0);
    }
}

#[test]
fn placeholders_may_be_used_twice_or_not_at_all_and_mean_nothing_in_a_plain_event() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    for event in [
        r#"452-["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#,
        r#"452-["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]"#,
        r#"452-["echo"]"#,
    ] {
        bench.send_text(line, event);
        bench.send_binary(line, &[1]);
        bench.send_binary(line, &[2]);
        assert_eq!(bench.all(line), [text(event), Frame::Binary(vec![1]), Frame::Binary(vec![2])], "{event}");
    }
    let plain = r#"42["echo",{"_placeholder":true,"num":"splice"}]"#;
    bench.send_text(line, plain);
    assert_eq!(bench.all(line), [text(plain)]);
}

#[test]
fn a_packet_has_as_many_attachments_as_the_limit_and_no_more() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, r#"4510-["n"]"#);
    for _ in 0..9 {
        bench.send_binary(line, &[1]);
    }
    bench.calls();
    bench.send_binary(line, &[1]);
    assert_eq!(bench.calls().len(), 1);
    bench.send_text(line, r#"4511-["n"]"#);
    assert!(bench.is_closed(line));
}

#[test]
fn an_event_with_its_attachments_is_at_most_one_payload() {
    let limits = Limits { payload_bytes_max: 1_000, ..Limits::default() };
    let announcement_len = ONE.len() - 1;
    for (len, is_closed) in [(1_000 - announcement_len, false), (1_001 - announcement_len, true)] {
        let mut bench = Bench::limited(limits.clone());
        let (line, _) = bench.connect_websocket();
        bench.send_text(line, ONE);
        bench.send_binary(line, &vec![7; len]);
        assert_eq!(bench.is_closed(line), is_closed, "{len}");
        assert_eq!(bench.all(line).len(), if is_closed { 0 } else { 2 });
    }
    let mut bench = Bench::limited(limits);
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, r#"453-["n"]"#);
    bench.send_binary(line, &[7; 600]);
    assert!(!bench.is_closed(line));
    bench.send_binary(line, &[7; 600]);
    assert!(bench.is_closed(line));
    assert_eq!(bench.frames_bytes(), 0);
}

#[test]
fn an_incomplete_packet_leaves_nothing_when_its_client_goes() {
    let mut bench = Bench::plain();
    for end in ["lost", "1", "41"] {
        let (line, _) = bench.connect_websocket();
        bench.send_text(line, r#"453-["n"]"#);
        bench.send_binary(line, &[1]);
        match end {
            "lost" => bench.lose_line(line, sprat_core::CloseReason::TransportError),
            _ => bench.send_text(line, end),
        }
        assert!(bench.is_closed(line), "{end}");
        assert!(bench.server().is_idle());
        assert_eq!(bench.frames_bytes(), 0, "{end}");
    }
}

#[test]
fn an_application_cannot_send_more_attachments_than_there_can_be() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    let bytes: Vec<&[u8]> = vec![&[1]; 17];
    let payload = Payload { json: "", attachments: Attachments::Bytes(&bytes) };
    assert!(bench.enter(|_, context| context.emit(Target::all(), "n", payload)).is_err());
    let payload = Payload { json: "", attachments: Attachments::Bytes(&bytes[..16]) };
    bench.enter(|_, context| context.emit(Target::all(), "n", payload)).unwrap();
    assert_eq!(bench.all(line).len(), 17);
}

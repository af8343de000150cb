//! The other parser: each packet is one binary message of MessagePack (rows P17 and 4.1 of the measured facts).
//!
//! Packets are written here as the default parser has them. That their MessagePack is what the official one writes is
//! checked in `sprat_core::wire::msgpack`.

use sprat_core::app::Attachments;
use sprat_core::error::CapacityError;
use sprat_core::time::Duration;
use sprat_core::wire::msgpack::{self, Message};
use sprat_core::wire::socket::{Packet, PacketLimits};
use sprat_core::{Limits, Parser, Payload, Target};
use sprat_tests::driver::{base64_packet, sid_of};
use sprat_tests::{Bench, Call, Frame, Line};

const ONE: &str = r#"{"_placeholder":true,"num":0}"#;

fn bench() -> Bench {
    Bench::limited(Limits { parser: Parser::Msgpack, ..Limits::default() })
}

fn pack(text: &str, attachments: &[&[u8]]) -> Vec<u8> {
    let packet = Packet::parse(text, &PacketLimits::default()).expect("a packet");
    let mut bytes = vec![0; msgpack::encoded_len(&packet, None, attachments).expect("JSON")];
    msgpack::encode(&packet, None, attachments, &mut bytes).expect("it was counted");
    bytes
}

/// A packet and its attachments.
type Unpacked = (String, Vec<Vec<u8>>);

fn unpack(bytes: &[u8]) -> Unpacked {
    let message = Message::parse(bytes, &PacketLimits::default()).expect("a packet");
    let mut text = Vec::new();
    message.put_text(&mut |piece| text.extend_from_slice(piece));
    (String::from_utf8(text).expect("UTF-8"), message.attachments().map(<[u8]>::to_vec).collect())
}

fn send(bench: &mut Bench, line: Line, text: &str, attachments: &[&[u8]]) {
    bench.send_binary(line, &pack(text, attachments));
}

/// What came on a WebSocket; all of it is binary.
fn all(bench: &mut Bench, line: Line) -> Vec<Unpacked> {
    let unpack_frame = |frame| match frame {
        Frame::Binary(bytes) => unpack(&bytes),
        Frame::Text(text) => panic!("text: {text}"),
    };
    bench.all(line).into_iter().map(unpack_frame).collect()
}

fn plain(text: &str) -> Unpacked {
    (text.to_owned(), Vec::new())
}

/// A client in `/`; its connection and the answer to its CONNECT.
fn join(bench: &mut Bench) -> (Line, String) {
    let (line, _) = bench.open_websocket();
    send(bench, line, "0", &[]);
    let answer = all(bench, line).pop().expect("an answer");
    (line, answer.0)
}

#[test]
fn msgpack_carries_events_and_acknowledgements_both_ways() {
    let mut bench = bench();
    let (line, connect) = join(&mut bench);
    assert_eq!(connect, format!(r#"0{{"sid":"{}"}}"#, sid_of(&connect)));
    let socket = bench.newest();
    bench.calls();
    send(&mut bench, line, r#"2["echo",1.5,"é\n",{"a":[null,true]}]"#, &[]);
    let args = r#"1.5,"é\n",{"a":[null,true]}"#;
    assert_eq!(bench.calls(), [Call::Event(socket, r#""echo""#.into(), args.into(), vec![], false)]);
    assert_eq!(all(&mut bench, line), [plain(r#"2["echo",1.5,"é\n",{"a":[null,true]}]"#)]);
    send(&mut bench, line, r#"20["echo"]"#, &[]);
    assert_eq!(all(&mut bench, line), [plain("30[]")]);
    let ack = bench.enter(|_, context| context.emit_with_ack(socket, "q", Payload::json("7"), None)).unwrap();
    assert_eq!(all(&mut bench, line), [plain(r#"20["q",7]"#)]);
    bench.calls();
    send(&mut bench, line, "30[8]", &[]);
    assert_eq!(bench.calls(), [Call::Ack(socket, ack, "8".into(), vec![])]);
}

#[test]
fn msgpack_has_binary_values_inside() {
    let mut bench = bench();
    let (line, _) = join(&mut bench);
    let socket = bench.newest();
    bench.calls();
    let two = r#"{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]"#;
    send(&mut bench, line, &format!(r#"52-5["echo",{two}]"#), &[&[1, 2], &[]]);
    let attachments = vec![vec![1, 2], vec![]];
    assert_eq!(bench.calls(), [Call::Event(socket, r#""echo""#.into(), two.into(), attachments.clone(), true)]);
    assert_eq!(all(&mut bench, line), [(format!("62-5[{two}]"), attachments)]);
    let payload = Payload { json: ONE, attachments: Attachments::Bytes(&[&[3]]) };
    let ack = bench.enter(|_, context| context.emit_with_ack(socket, "q", payload, None)).unwrap();
    assert_eq!(all(&mut bench, line), [(format!(r#"51-0["q",{ONE}]"#), vec![vec![3]])]);
    bench.calls();
    send(&mut bench, line, &format!("61-0[{ONE}]"), &[&[4]]);
    assert_eq!(bench.calls(), [Call::Ack(socket, ack, ONE.into(), vec![vec![4]])]);
}

#[test]
fn msgpack_is_base64_over_polling() {
    let mut bench = bench();
    let sid = bench.open_polling();
    let packets = [pack("0", &[]), pack(r#"2["echo",1]"#, &[]), pack(&format!(r#"51-["echo",{ONE}]"#), &[&[9]])];
    let packets = packets.map(|packet| base64_packet(&packet));
    bench.push(&sid, packets.join("\x1e"));
    let body = bench.pull(&sid);
    let answers: Vec<_> = body.split('\x1e').skip(1).collect();
    assert_eq!(answers, packets[1..]);
    assert!(body.starts_with('b'), "{body}");
}

#[test]
fn msgpack_is_base64_for_who_cannot_take_binary() {
    let mut bench = bench();
    let exchange = bench.upgrade("/socket.io/?EIO=4&transport=websocket&b64=1");
    let line = bench.line(exchange);
    bench.text(line);
    bench.send_text(line, &base64_packet(&pack("0", &[])));
    assert!(bench.text(line).starts_with('b'));
    let event = base64_packet(&pack(r#"2["echo",1]"#, &[]));
    bench.send_text(line, &event);
    assert_eq!(bench.text(line), event);
}

#[test]
fn msgpack_reaches_a_room_encoded_once() {
    let mut bench = bench();
    let lines = [(); 5].map(|()| join(&mut bench).0);
    let emit = |bench: &mut Bench, payload| {
        let before = bench.frames_bytes();
        lines.iter().for_each(|line| bench.stall(*line, true));
        bench.enter(|_, context| context.emit(Target::all(), "n", payload)).expect("there is room");
        let used = bench.frames_bytes() - before;
        lines.iter().for_each(|line| bench.stall(*line, false));
        let got: Vec<_> = lines.iter().map(|line| all(bench, *line)).collect();
        assert!(got.iter().all(|one| *one == got[0]), "{got:?}");
        (got[0].clone(), used)
    };
    let (got, used) = emit(&mut bench, Payload::json(r#""x""#));
    assert_eq!(got, [plain(r#"2["n","x"]"#)]);
    assert!(used < 2 * pack(r#"2["n","x"]"#, &[]).len(), "{used} bytes");
    let binary = Payload { json: ONE, attachments: Attachments::Bytes(&[&[7; 1000]]) };
    let (got, used) = emit(&mut bench, binary);
    assert_eq!(got, [(format!(r#"51-["n",{ONE}]"#), vec![vec![7; 1000]])]);
    assert!(used < 1200, "{used} bytes");
}

#[test]
fn msgpack_of_an_event_can_be_prepared() {
    let mut bench = bench();
    let (line, _) = join(&mut bench);
    let prepared = bench.enter(|_, context| context.prepare("tick", "1")).expect("there is room");
    for _ in 0..2 {
        bench.enter(|_, context| context.send_prepared(Target::all(), &prepared));
    }
    assert_eq!(all(&mut bench, line), [plain(r#"2["tick",1]"#), plain(r#"2["tick",1]"#)]);
    bench.enter(|_, context| context.discard(prepared));
}

#[test]
fn msgpack_tells_why_a_namespace_is_closed() {
    let mut bench = bench();
    let (line, _) = bench.open_websocket();
    send(&mut bench, line, "0/nowhere,", &[]);
    assert_eq!(all(&mut bench, line), [plain(r#"4/nowhere,{"message":"Invalid namespace"}"#)]);
    send(&mut bench, line, r#"0/refuse,{"token":1}"#, &[]);
    assert_eq!(all(&mut bench, line), [plain(r#"4/refuse,{"message":"not authorized","data":{"code":1}}"#)]);
    let auth = Some(r#"{"token":1}"#.to_owned());
    assert!(bench.calls().contains(&Call::Connect("/refuse".into(), auth)));
    send(&mut bench, line, "0/custom,", &[]);
    assert!(all(&mut bench, line)[0].0.starts_with(r#"0/custom,{"sid":"#));
    let socket = bench.newest();
    bench.enter(|_, context| context.disconnect(socket, false));
    assert_eq!(all(&mut bench, line), [plain("1/custom,")]);
}

#[test]
fn msgpack_that_is_no_packet_ends_the_session() {
    let mut wrong: Vec<Vec<u8>> = vec![vec![], vec![0xc1], vec![0x80], vec![0x90], b"2[\"echo\"]".to_vec()];
    // Cut, too long, with a reserved name, without a name, for another namespace.
    let event = pack(r#"2["echo",1]"#, &[]);
    wrong.push(event[..event.len() - 1].to_vec());
    wrong.push([&event[..], &[0]].concat());
    wrong.push(event.iter().map(|byte| if *byte == b'e' { 0xff } else { *byte }).collect());
    wrong.push(b"\x83\xa4type\x02\xa4data\x91\xaadisconnect\xa3nsp\xa1/".to_vec());
    wrong.push(b"\x83\xa4type\x02\xa4data\x90\xa3nsp\xa1/".to_vec());
    wrong.push(pack(r#"2/custom,["echo"]"#, &[]));
    wrong.push(pack("0", &[]));
    for bytes in wrong {
        let mut bench = bench();
        let (line, _) = join(&mut bench);
        bench.send_binary(line, &bytes);
        assert!(bench.is_closed(line), "{bytes:x?}");
        assert_eq!(bench.reasons(), ["forced close"]);
    }
    let mut bench = bench();
    let (line, _) = join(&mut bench);
    bench.send_text(line, r#"42["echo"]"#);
    assert!(bench.is_closed(line), "text is for the other parser");
}

#[test]
fn msgpack_has_as_many_binary_values_as_the_limit_says() {
    let mut bench = bench();
    let (line, _) = join(&mut bench);
    let event = |count: u8| {
        let bins = [0xc4, 1, 0].repeat(usize::from(count));
        [b"\x83\xa4type\x02\xa4data\x9f\xa1e", &bins[..], &[0; 14][usize::from(count)..], b"\xa3nsp\xa1/"].concat()
    };
    bench.send_binary(line, &event(10));
    assert!(!bench.is_closed(line));
    bench.send_binary(line, &event(11));
    assert!(bench.is_closed(line));
}

#[test]
fn msgpack_of_what_is_no_json_is_not_sent() {
    let mut bench = bench();
    let (line, _) = join(&mut bench);
    for json in ["{", "nonsense", "[1,"] {
        let sent = bench.enter(|_, context| context.emit(Target::all(), "n", Payload::json(json)));
        assert_eq!(sent, Err(CapacityError::Payload), "{json}");
    }
    let payload = Payload { json: r#"{"_placeholder":true,"num":1}"#, attachments: Attachments::Bytes(&[&[1]]) };
    let sent = bench.enter(|_, context| context.emit(Target::all(), "n", payload));
    assert_eq!(sent, Err(CapacityError::Payload));
    assert_eq!(all(&mut bench, line), []);
}

#[test]
fn msgpack_clients_come_back_to_what_they_missed() {
    let recovery_timeout = Duration::from_ms(120_000);
    let mut bench = Bench::limited(Limits { parser: Parser::Msgpack, recovery_timeout, ..Limits::default() });
    let (line, connect) = join(&mut bench);
    let sid = sid_of(&connect);
    let pid = connect.rsplit('"').nth(1).expect("a pid").to_owned();
    let emit = |bench: &mut Bench, json| {
        let payload = Payload { json, attachments: Attachments::Bytes(&[&[5]]) };
        bench.enter(|_, context| context.emit(Target::all(), "n", payload)).expect("there is room");
    };
    emit(&mut bench, ONE);
    assert_eq!(all(&mut bench, line), [(format!(r#"51-["n",{ONE},"1"]"#), vec![vec![5]])]);
    bench.lose_line(line, sprat_core::CloseReason::TransportClose);
    emit(&mut bench, &format!("2,{ONE}"));
    let (line, _) = bench.open_websocket();
    send(&mut bench, line, &format!(r#"0{{"pid":"{pid}","offset":"1"}}"#), &[]);
    let missed = (format!(r#"51-["n",2,{ONE},"2"]"#), vec![vec![5]]);
    assert_eq!(all(&mut bench, line), [missed, plain(&format!(r#"0{{"sid":"{sid}","pid":"{pid}"}}"#))]);
}

#[test]
fn msgpack_leaves_nothing_behind() {
    let mut bench = bench();
    let before = bench.frames_bytes();
    let (line, _) = join(&mut bench);
    for _ in 0..3 {
        send(&mut bench, line, &format!(r#"51-["echo",{ONE}]"#), &[&[1; 300]]);
        send(&mut bench, line, &format!(r#"51-1["echo",{ONE}]"#), &[&[1; 300]]);
    }
    assert_eq!(all(&mut bench, line).len(), 6);
    send(&mut bench, line, "1", &[]);
    bench.send_binary(line, &[0xc1]);
    assert!(bench.is_closed(line));
    assert_eq!(bench.frames_bytes(), before);
}

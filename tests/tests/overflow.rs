//! What happens when something is full: one slow client, or memory that all share.

use sprat_core::app::Attachments;
use sprat_core::error::CapacityError;
use sprat_core::time::Instant;
use sprat_core::{App, CloseReason, Context, Limits, Payload, Pressure, SocketId, Target};
use sprat_tests::memory::{self, Memory};
use sprat_tests::{Bench, Driver, Frame, Line, Recorder};

fn emit(bench: &mut Bench, json: &str) -> Result<(), CapacityError> {
    bench.enter(|_, context| context.emit(Target::all(), "n", Payload::json(json)))
}

/// A client whose connection is stuck, with one packet in it.
fn stuck(bench: &mut Bench) -> Line {
    let (line, _) = bench.connect_websocket();
    let socket = bench.newest();
    bench.stall(line, true);
    bench.enter(|_, context| context.emit(Target::socket(socket), "stuck", Payload::default())).expect("room");
    bench.all(line);
    line
}

#[test]
fn a_client_with_too_many_packets_is_closed_and_nobody_else_notices() {
    let mut bench = Bench::limited(Limits { outbox_packets_max: 10, ..Limits::default() });
    let slow = stuck(&mut bench);
    let (fast, _) = bench.connect_websocket();
    bench.calls();
    for number in 0..20 {
        emit(&mut bench, &number.to_string()).unwrap();
        assert_eq!(bench.text(fast), format!("42[\"n\",{number}]"));
        // One packet is in the connection already.
        assert_eq!(bench.is_closed(slow), number >= 9, "{number}");
    }
    assert_eq!(bench.reasons(), ["outbox full"]);
    assert_eq!(bench.closed, [CloseReason::OutboxFull]);
}

#[test]
fn a_client_with_too_many_bytes_is_closed() {
    let mut bench = Bench::limited(Limits { outbox_bytes_max: 1_000, ..Limits::default() });
    let slow = stuck(&mut bench);
    let big = format!("\"{}\"", "x".repeat(300));
    for round in 0..5 {
        assert_eq!(bench.is_closed(slow), round > 3, "{round}");
        emit(&mut bench, &big).unwrap();
    }
    assert!(bench.is_closed(slow));
}

#[test]
fn an_empty_outbox_takes_one_event_of_any_size() {
    let limits = Limits { outbox_bytes_max: 100, outbox_packets_max: 1, ..Limits::default() };
    let mut bench = Bench::limited(limits);
    let (line, _) = bench.connect_websocket();
    let big = format!("\"{}\"", "x".repeat(10_000));
    for _ in 0..3 {
        emit(&mut bench, &big).unwrap();
        assert_eq!(bench.all(line).len(), 1);
    }
    let payload = Payload { json: "", attachments: Attachments::Bytes(&[&[1], &[2]]) };
    bench.enter(|_, context| context.emit(Target::all(), "n", payload)).unwrap();
    assert_eq!(bench.all(line).len(), 3);
}

#[test]
fn an_outbox_that_is_at_most_half_full_takes_one_event_of_any_length() {
    for (len, is_too_full) in [(400, false), (600, true)] {
        let mut bench = Bench::limited(Limits { outbox_bytes_max: 1_000, ..Limits::default() });
        let slow = stuck(&mut bench);
        for (len, is_closed) in [(len, false), (5_000, is_too_full), (1, true)] {
            emit(&mut bench, &format!("\"{}\"", "x".repeat(len))).unwrap();
            assert_eq!(bench.is_closed(slow), is_closed, "{len}");
        }
    }
}

#[test]
fn an_event_with_attachments_is_queued_whole_or_not_at_all() {
    let mut bench = Bench::limited(Limits { outbox_packets_max: 5, ..Limits::default() });
    let slow = stuck(&mut bench);
    let payload = Payload { json: "", attachments: Attachments::Bytes(&[&[1], &[2]]) };
    bench.enter(|_, context| context.emit(Target::all(), "b", payload)).unwrap();
    assert!(!bench.is_closed(slow));
    bench.enter(|_, context| context.emit(Target::all().volatile(), "b", payload)).unwrap();
    assert!(!bench.is_closed(slow), "what is volatile fills nothing");
    bench.enter(|_, context| context.emit(Target::all(), "b", payload)).unwrap();
    assert!(bench.is_closed(slow));
    assert_eq!(bench.all(slow), []);
    assert!(bench.server().is_idle());
    assert_eq!(bench.frames_bytes(), 0);
}

#[test]
fn a_client_that_does_not_poll_is_closed_as_well() {
    let mut bench = Bench::limited(Limits { outbox_packets_max: 10, ..Limits::default() });
    let (sid, _) = bench.connect_polling();
    bench.calls();
    for number in 0..11 {
        emit(&mut bench, &number.to_string()).unwrap();
    }
    assert_eq!(bench.reasons(), ["outbox full"]);
    let poll = bench.poll(&sid);
    assert_eq!(bench.http(poll).0, 400);
}

fn is_crowded(bench: &Bench) -> bool {
    bench.server().is_crowded(Instant::from_ms(bench.now_ms()))
}

#[test]
fn senders_are_held_back_while_somebody_still_reads_what_waits() {
    let mut bench = Bench::limited(Limits { outbox_packets_max: 10, ..Limits::default() });
    let slow = stuck(&mut bench);
    for number in 1..=5 {
        assert!(!is_crowded(&bench), "{number} wait");
        emit(&mut bench, "1").unwrap();
    }
    assert!(is_crowded(&bench), "six wait");
    bench.advance(400);
    assert!(is_crowded(&bench));
    // It takes what it was given; what came meanwhile is given to it now, and stays on its way.
    bench.stall(slow, false);
    bench.stall(slow, true);
    assert!(!is_crowded(&bench), "none waits");
    for _ in 0..7 {
        emit(&mut bench, "2").unwrap();
    }
    assert!(is_crowded(&bench));
    bench.advance(501);
    assert!(!is_crowded(&bench), "nobody waits for who has stalled");
    for _ in 0..4 {
        emit(&mut bench, "3").unwrap();
    }
    assert_eq!(bench.reasons(), ["outbox full"]);
    assert!(!is_crowded(&bench));
}

#[test]
fn who_has_had_much_to_read_for_two_seconds_reads_slowly() {
    let lately = |bench: &Bench| bench.server().crowded_lately(Instant::from_ms(bench.now_ms()));
    let mut bench = Bench::limited(Limits { outbox_packets_max: 10, ..Limits::default() });
    let slow = stuck(&mut bench);
    for round in 0..3 {
        while bench.server().crowded() == 0 {
            assert_eq!((lately(&bench), bench.is_closed(slow)), (0, false), "round {round}");
            emit(&mut bench, "1").unwrap();
        }
        assert_eq!((lately(&bench), bench.server().crowded()), (1, 1));
        bench.advance(1_000);
        assert_eq!(lately(&bench), 1);
        if round == 1 {
            bench.advance(1_000);
            assert_eq!((lately(&bench), bench.server().crowded()), (0, 1), "it reads slowly");
        }
        bench.stall(slow, false);
        bench.stall(slow, true);
        assert_eq!((lately(&bench), bench.server().crowded()), (0, 0), "it has read");
    }
}

#[test]
fn nobody_waits_for_who_had_stalled_before_much_waited_for_it() {
    let mut bench = Bench::limited(Limits { outbox_packets_max: 10, ..Limits::default() });
    stuck(&mut bench);
    bench.advance(501);
    for _ in 0..7 {
        emit(&mut bench, "1").unwrap();
    }
    assert!(!is_crowded(&bench));
}

#[test]
fn what_a_message_brings_about_is_told_apart_by_what_waits_before_it() {
    let mut bench = Bench::limited(Limits { outbox_packets_max: 10, ..Limits::default() });
    let (speaker, _) = bench.connect_websocket();
    let after = |bench: &mut Bench, packet: &str| {
        bench.send_text(speaker, packet);
        bench.pressure
    };
    assert_eq!(after(&mut bench, "42[\"all\",1]"), Pressure::None, "nothing waits for anybody");
    let slow = stuck(&mut bench);
    assert_eq!(after(&mut bench, "42[\"all\",2]"), Pressure::Behind, "one is being sent");
    assert_eq!(after(&mut bench, "42[\"echo\",1]"), Pressure::None, "that is not for the slow one");
    for number in 3..=5 {
        assert_eq!(after(&mut bench, "42[\"all\",3]"), Pressure::Behind, "{number} wait");
    }
    bench.stall(speaker, true);
    for _ in 0..5 {
        assert_eq!(after(&mut bench, "42[\"echo\",1]"), Pressure::None, "its own affair");
    }
    assert_eq!(after(&mut bench, "42[\"echo\",1]"), Pressure::Crowded, "until it is too much");
    bench.stall(speaker, false);
    for _ in 0..2 {
        assert_eq!(after(&mut bench, "42[\"all\",4]"), Pressure::Crowded, "more than half waits");
    }
    assert_eq!(after(&mut bench, "42[\"echo\",2]"), Pressure::None);
    assert_eq!(after(&mut bench, "3"), Pressure::None);
    assert!(!bench.is_closed(slow));
}

#[test]
fn senders_are_held_back_while_memory_that_all_share_is_short() {
    let mut bench = Bench::limited(Limits { frames_bytes_max: 4_096, outbox_bytes_max: 9_000, ..Limits::default() });
    stuck(&mut bench);
    assert!(!is_crowded(&bench));
    emit(&mut bench, &format!("\"{}\"", "x".repeat(3_000))).unwrap();
    assert!(is_crowded(&bench));
    bench.advance(1_000);
    assert!(!is_crowded(&bench), "it has stalled; when memory is short, it goes");
}

fn cramped() -> Bench {
    let resources = memory::sized::<16, 16, 8, 32, 64, 4, 64, 4_096, 0>(5);
    Bench::new(Recorder::default(), resources, Limits::default())
}

#[test]
fn when_frames_are_short_whoever_took_nothing_for_longest_is_closed() {
    let mut bench = cramped();
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(stuck(&mut bench));
        bench.advance(10);
    }
    let (fast, _) = bench.connect_websocket();
    // The first takes what it has and gets more: now it is the last.
    bench.stall(slow[0], false);
    bench.stall(slow[0], true);
    let sockets = bench.enter(|app, _| app.sockets.clone());
    let big = format!("\"{}\"", "x".repeat(200));
    let mut closed = Vec::new();
    for number in 0..100 {
        let target = Target::socket(sockets[number % 4]);
        bench.enter(|_, context| context.emit(target, "n", Payload::json(&big))).unwrap();
        assert_eq!(bench.all(fast).len(), usize::from(number % 4 == 3), "{number}");
        bench.advance(1);
        for (at, line) in slow.iter().enumerate() {
            if bench.is_closed(*line) && !closed.contains(&at) {
                closed.push(at);
            }
        }
    }
    assert_eq!(closed, [1, 2, 0]);
    assert!(!bench.is_closed(fast));
}

#[test]
fn when_entries_are_short_whoever_took_nothing_for_longest_is_closed() {
    let resources = memory::sized::<16, 16, 8, 32, 8, 4, 64, 8_192, 0>(5);
    let mut bench = Bench::new(Recorder::default(), resources, Limits::default());
    let first = stuck(&mut bench);
    bench.advance(10);
    let second = stuck(&mut bench);
    let (fast, _) = bench.connect_websocket();
    for number in 0..20 {
        emit(&mut bench, &number.to_string()).unwrap();
        assert_eq!(bench.all(fast).len(), 1, "{number}");
        // The first is the only one to go while that makes room.
        assert!(bench.is_closed(first) || !bench.is_closed(second));
    }
    assert!(bench.is_closed(first) && bench.is_closed(second));
    assert!(!bench.is_closed(fast));
}

#[test]
fn what_could_never_fit_fails_and_costs_nobody_anything() {
    let mut bench = cramped();
    let slow = stuck(&mut bench);
    let big = format!("\"{}\"", "x".repeat(5_000));
    assert_eq!(emit(&mut bench, &big), Err(CapacityError::Frames));
    let mut few =
        Bench::new(Recorder::default(), memory::sized::<4, 4, 4, 4, 4, 4, 64, 8_192, 0>(5), Limits::default());
    let other = stuck(&mut few);
    let bytes: [&[u8]; 10] = [&[1]; 10];
    let payload = Payload { json: "", attachments: Attachments::Bytes(&bytes) };
    assert!(few.enter(|_, context| context.emit(Target::all(), "n", payload)).is_err());
    let mut limited = Bench::limited(Limits { frames_bytes_max: 1_000, ..Limits::default() });
    let third = stuck(&mut limited);
    assert_eq!(emit(&mut limited, &big), Err(CapacityError::Frames));
    assert!(!bench.is_closed(slow) && !few.is_closed(other) && !limited.is_closed(third));
}

#[test]
fn incomplete_binary_packets_cannot_keep_the_memory_of_others() {
    let mut bench = cramped();
    let (line, _) = bench.connect_websocket();
    let mut hoarders = Vec::new();
    for _ in 0..6 {
        bench.advance(1);
        let (hoarder, _) = bench.connect_websocket();
        bench.send_text(hoarder, r#"452-["n"]"#);
        bench.send_binary(hoarder, &[7; 700]);
        hoarders.push(hoarder);
    }
    let closed: Vec<_> = hoarders.iter().map(|line| bench.is_closed(*line)).collect();
    assert_eq!(closed, [true, false, false, false, false, false]);
    // That they take what they are sent does not make them any better.
    emit(&mut bench, "1").unwrap();
    assert_eq!(bench.all(line).len(), 1);
    let big = format!("\"{}\"", "x".repeat(2_000));
    emit(&mut bench, &big).unwrap();
    assert_eq!(bench.all(line).len(), 1);
    let closed: Vec<_> = hoarders.iter().map(|line| bench.is_closed(*line)).collect();
    assert_eq!(closed, [true, true, true, true, false, false]);
    // Whoever completes its packet in time is as good as anybody.
    bench.send_binary(hoarders[5], &[7]);
    assert!(!bench.is_closed(hoarders[5]));
}

#[test]
fn a_client_whose_own_packet_fills_the_memory_leaves_nothing_behind() {
    // Its announcement, its attachments, or the answer to them: whatever it is that makes it the one to go.
    for len in (0..4_000).step_by(50) {
        let mut bench = cramped();
        let line = stuck(&mut bench);
        let big = format!("\"{}\"", "x".repeat(len));
        let _ = emit(&mut bench, &big);
        bench.send_text(line, &format!(r#"452-["echo","{}"]"#, "y".repeat(400)));
        bench.send_binary(line, &[7; 900]);
        bench.send_binary(line, &[7; 900]);
        if !bench.is_closed(line) {
            bench.lose_line(line, CloseReason::TransportClose);
        }
        assert!(bench.server().is_idle(), "{len}");
        assert_eq!(bench.frames_bytes(), 0, "{len}");
    }
}

#[test]
fn full_tables_refuse_and_work_again_when_there_is_room() {
    // 4 sessions, 3 sockets, 2 rooms (one is `/`), 5 memberships (one each is `/`), 2 acknowledgements.
    let resources = memory::sized::<4, 3, 2, 5, 64, 2, 64, 8_192, 0>(5);
    let mut bench = Bench::new(Recorder::default(), resources, Limits::default());
    let lines: Vec<_> = (0..3).map(|_| bench.connect_websocket().0).collect();
    let sockets = bench.enter(|app, _| app.sockets.clone());
    let (extra, _) = bench.open_websocket();
    bench.send_text(extra, "40");
    assert_eq!(bench.text(extra), r#"44{"message":"Server is full"}"#);
    bench.enter(|_, context| {
        assert_eq!(context.join(sockets[0], "a"), Ok(()));
        assert_eq!(context.join(sockets[0], "b"), Err(CapacityError::Rooms));
        assert_eq!(context.join(sockets[1], "a"), Ok(()));
        assert_eq!(context.join(sockets[2], "a"), Err(CapacityError::Memberships));
        let mut ask = || context.emit_with_ack(sockets[0], "q", Payload::default(), None);
        assert!(ask().is_ok() && ask().is_ok());
        assert_eq!(ask(), Err(CapacityError::Acks));
    });
    bench.send_text(lines[1], "40/custom,");
    assert_eq!(bench.text(lines[1]), r#"44/custom,{"message":"Server is full"}"#);
    bench.lose_line(lines[0], CloseReason::TransportClose);
    bench.send_text(extra, "40");
    assert!(bench.text(extra).starts_with("40{"));
    let newest = bench.newest();
    bench.enter(|_, context| {
        assert_eq!(context.join(newest, "a"), Ok(()));
        assert!(context.emit_with_ack(newest, "q", Payload::default(), None).is_ok());
    });
}

#[test]
fn a_namespace_that_finds_no_room_is_refused_and_leaves_nothing() {
    for (rooms, memberships) in [(1, 9), (9, 1)] {
        let resources = if rooms == 1 {
            memory::sized::<4, 4, 1, 9, 64, 2, 64, 8_192, 0>(5)
        } else {
            memory::sized::<4, 4, 9, 1, 64, 2, 64, 8_192, 0>(5)
        };
        let mut bench = Bench::new(Recorder::default(), resources, Limits::default());
        let (line, _) = bench.connect_websocket();
        for _ in 0..20 {
            bench.send_text(line, "40/custom,");
            assert_eq!(bench.text(line), r#"44/custom,{"message":"Server is full"}"#, "{memberships}");
        }
        bench.send_text(line, "40/pending,");
        let socket = bench.enter(|app, _| app.pending[0]);
        bench.enter(|_, context| context.accept(socket));
        assert_eq!(bench.all(line), [Frame::Text(r#"44/pending,{"message":"Server is full"}"#.into())]);
        bench.lose_line(line, CloseReason::TransportClose);
        assert!(bench.server().is_idle());
        assert_eq!(bench.frames_bytes(), 0);
    }
}

/// Tells everybody at length that somebody has left.
struct Mourner {
    mourns: bool,
}

impl App for Mourner {
    fn on_disconnect(&mut self, context: &mut dyn Context, _: SocketId, _: CloseReason) {
        if !self.mourns {
            return;
        }
        let text = format!("\"{}\"", "x".repeat(900));
        let _ = context.emit(Target::all(), "gone", Payload::json(&text));
    }
}

#[test]
fn a_session_that_is_closed_before_anybody_knows_of_it_leaves_nothing() {
    let limits = Limits { payload_bytes_max: 200, ..Limits::default() };
    let mut driver: Driver<Mourner, Memory> =
        Driver::new(Mourner { mourns: true }, memory::sized::<8, 8, 8, 8, 16, 4, 32, 1_000, 0>(5), limits);
    let (witness, _) = driver.connect_websocket();
    let (slow, _) = driver.connect_websocket();
    driver.stall(slow, true);
    let text = format!("\"{}\"", "x".repeat(900));
    driver.enter(|_, context| context.emit(Target::all(), "n", Payload::json(&text))).unwrap();
    driver.all(witness);
    // There is no memory for another handshake: the slow client goes, and what is said of it costs the new one its place.
    let exchange = driver.get("/socket.io/?EIO=4&transport=polling");
    assert!(driver.is_closed(slow));
    assert_eq!(driver.http(exchange), (200, "1".into()));
    assert_eq!(driver.all(witness).len(), 1);
    assert_eq!(driver.server().sessions(), 1);
    driver.enter(|app, _| app.mourns = false);
    for _ in 0..3 {
        driver.connect_websocket();
    }
    driver.advance(25_000);
    driver.send_text(witness, "3");
    driver.advance(25_000);
    assert_eq!(driver.server().sessions(), 1);
}

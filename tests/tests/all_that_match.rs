//! What is done to all sockets that a target means, and what can be asked about one (rows of sections 1e to 1g of the
//! measured facts: `socketsJoin`, `socketsLeave`, `disconnectSockets`, acknowledgements of many, `rooms`).

use sprat_core::error::CapacityError;
use sprat_core::time::Duration;
use sprat_core::{CloseReason, Limits, Payload, SocketId, Target};
use sprat_tests::{Bench, Call, Frame, Line};

/// Clients on WebSockets.
fn clients(bench: &mut Bench, count: usize) -> (Vec<Line>, Vec<SocketId>) {
    let lines = (0..count).map(|_| bench.connect_websocket().0).collect();
    let sockets = bench.enter(|app, _| app.sockets.clone());
    bench.calls();
    (lines, sockets)
}

fn rooms(bench: &mut Bench, socket: SocketId) -> Vec<String> {
    let mut rooms = Vec::new();
    bench.enter(|_, context| {
        context.visit_rooms(socket, &mut |room| {
            rooms.push(room.to_owned());
            true
        });
    });
    rooms.sort();
    rooms
}

#[test]
fn all_that_match_join_and_leave_rooms() {
    let mut bench = Bench::plain();
    let (_, sockets) = clients(&mut bench, 4);
    bench.enter(|_, context| {
        context.join(sockets[0], "a").unwrap();
        context.join(sockets[1], "a").unwrap();
        context.join(sockets[1], "b").unwrap();
        context.join_all(Target::all().rooms(&["a"]), "new").unwrap();
        // The room that is gone through may be the one that is joined.
        context.join_all(Target::all().rooms(&["a", "b"]), "a").unwrap();
        context.join_all(Target::all().except_rooms(&["a"]).except(sockets[3]), "rest").unwrap();
    });
    let names = |bench: &mut Bench| sockets.iter().map(|socket| rooms(bench, *socket).join(" ")).collect::<Vec<_>>();
    assert_eq!(names(&mut bench), ["a new", "a b new", "rest", ""]);
    bench.enter(|_, context| {
        context.leave_all(Target::all().rooms(&["b"]), "a");
        // And so may the one that is left.
        context.leave_all(Target::all().rooms(&["new"]), "new");
        context.leave_all(Target::all(), "nowhere");
    });
    assert_eq!(names(&mut bench), ["a", "b", "rest", ""]);
}

#[test]
fn all_that_match_are_made_to_leave_their_namespace_or_the_server() {
    let mut bench = Bench::plain();
    let (lines, sockets) = clients(&mut bench, 4);
    bench.send_text(lines[1], "40/custom,");
    assert!(bench.text(lines[1]).starts_with("40/custom,"));
    bench.enter(|_, context| {
        context.join(sockets[0], "a").unwrap();
        context.join(sockets[1], "b").unwrap();
    });
    bench.calls();
    bench.enter(|_, context| context.disconnect_all(Target::all().rooms(&["a"]), false));
    assert_eq!(bench.all(lines[0]), [Frame::Text("41".into())]);
    assert!(!bench.is_closed(lines[0]));
    assert_eq!(bench.reasons(), ["server namespace disconnect"]);
    bench.enter(|_, context| context.disconnect_all(Target::all().rooms(&["b"]), true));
    let mut told = bench.all(lines[1]);
    told.sort_by_key(Frame::len);
    assert_eq!(told, [Frame::Text("41".into()), Frame::Text("41/custom,".into())]);
    assert!(bench.is_closed(lines[1]));
    assert_eq!(bench.reasons(), ["server namespace disconnect"; 2]);
    bench.enter(|_, context| context.disconnect_all(Target::all(), true));
    assert_eq!(bench.server().sessions(), 1, "who has left the namespace is no target any more");
}

#[test]
fn one_event_is_acknowledged_by_all_that_match_under_one_number() {
    let mut bench = Bench::plain();
    let (lines, sockets) = clients(&mut bench, 3);
    let ask = |bench: &mut Bench, target: Target<'_>| {
        let mut owed = Vec::new();
        let timeout = Some(Duration::from_ms(100));
        let asked = bench.enter(|_, context| {
            context
                .emit_with_acks(target, "q", Payload::json("1"), timeout, &mut |socket, ack| owed.push((socket, ack)))
        });
        assert_eq!(asked, Ok(owed.len()));
        owed.sort_by_key(|(socket, _)| sockets.iter().position(|known| known == socket));
        owed
    };
    let owed = ask(&mut bench, Target::all().except(sockets[1]));
    assert_eq!(owed.iter().map(|owed| owed.0).collect::<Vec<_>>(), [sockets[0], sockets[2]]);
    for line in [lines[0], lines[2]] {
        assert_eq!(bench.text(line), r#"420["q",1]"#);
    }
    assert_eq!(bench.all(lines[1]), []);
    // Who was not asked answers nothing; the others do, and one of them is too late.
    bench.send_text(lines[1], "430[\"no\"]");
    bench.send_text(lines[2], "430[\"yes\"]");
    bench.advance(100);
    bench.send_text(lines[0], "430[\"late\"]");
    let expected =
        [Call::Ack(sockets[2], owed[1].1, r#""yes""#.into(), Vec::new()), Call::AckTimeout(sockets[0], owed[0].1)];
    assert_eq!(bench.calls(), expected);
    assert_eq!(ask(&mut bench, Target::all().rooms(&["nobody"])), []);
    assert_eq!(ask(&mut bench, Target::namespace("/nowhere")), []);
}

#[test]
fn who_owes_too_much_is_left_out_of_an_event_that_all_acknowledge() {
    let mut bench = Bench::limited(Limits { acks_by_socket_max: 1, ..Limits::default() });
    let (lines, sockets) = clients(&mut bench, 2);
    bench.enter(|_, context| context.emit_with_ack(sockets[0], "first", Payload::default(), None)).unwrap();
    let asked =
        bench.enter(|_, context| context.emit_with_acks(Target::all(), "q", Payload::default(), None, &mut |_, _| ()));
    assert_eq!(asked, Ok(1));
    assert_eq!(bench.all(lines[0]), [Frame::Text(r#"420["first"]"#.into())]);
    assert_eq!(bench.all(lines[1]), [Frame::Text(r#"421["q"]"#.into())]);
}

#[test]
fn a_socket_tells_its_rooms_its_namespace_its_session_and_its_transport() {
    let mut bench = Bench::plain();
    let (sid, id) = bench.connect_polling();
    let socket = bench.newest();
    bench.push(&sid, "40/custom,");
    let custom = bench.newest();
    bench.enter(|_, context| {
        for room in ["a", "b"] {
            context.join(socket, room).unwrap();
        }
        context.join(custom, "c").unwrap();
        assert_eq!((context.namespace(socket), context.namespace(custom)), ("/", "/custom"));
        assert_eq!(context.session(socket), context.session(custom));
        assert!(context.session(socket).is_some() && context.is_polling(socket));
        assert_eq!(context.find_socket("/", &id), Some(socket));
        assert_eq!(context.find_socket("/custom", &id), None);
    });
    assert_eq!(
        (rooms(&mut bench, socket), rooms(&mut bench, custom)),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
    let mut visited = 0;
    bench.enter(|_, context| {
        context.visit_rooms(socket, &mut |_| {
            visited += 1;
            false
        });
    });
    assert_eq!(visited, 1, "the visitor had seen enough");
    let probe = bench.probe(&sid);
    let line = bench.line(probe);
    bench.send_text(line, "2probe");
    bench.send_text(line, "5");
    bench.enter(|_, context| assert!(!context.is_polling(socket)));
    bench.lose_line(line, CloseReason::TransportClose);
    assert_eq!(rooms(&mut bench, socket), [""; 0]);
    bench.enter(|_, context| {
        assert_eq!((context.namespace(socket), context.session(socket)), ("", None));
        assert!(!context.is_polling(socket) && !context.is_recovered(socket));
        assert_eq!(context.find_socket("/", &id), None);
        assert_eq!(context.join(socket, "a"), Err(CapacityError::Gone));
    });
}

#[test]
fn json_is_passed_on_as_it_was_written() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    for args in
        [r#"{"a":1,"a":2}"#, r#""\ud800""#, "-0", "1e400", "[ 1 , 2 ]", r#""\u0041""#, "12345678901234567890123"]
    {
        bench.send_text(line, &format!(r#"42["echo",{args}]"#));
        assert_eq!(bench.text(line), format!(r#"42["echo",{args}]"#));
    }
}

//! Who gets what (section 1g of the measured facts).

use sprat_core::error::CapacityError;
use sprat_core::{CloseReason, Limits, Payload, SocketId, Target};
use sprat_tests::{Bench, Call, Frame, Line};

const NOTHING: Payload<'_> = Payload::json("");

struct Party {
    bench: Bench,
    lines: Vec<Line>,
    ids: Vec<String>,
    sockets: Vec<SocketId>,
}

/// Five clients: 0 and 1 in `a`, 1 and 2 in `b`, 3 in `c`, 4 in none.
fn party() -> Party {
    let mut bench = Bench::plain();
    let (mut lines, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (line, id) = bench.connect_websocket();
        lines.push(line);
        ids.push(id);
    }
    let sockets = bench.enter(|app, _| app.sockets.clone());
    for (member, room) in [(0, "a"), (1, "a"), (1, "b"), (2, "b"), (3, "c")] {
        bench.enter(|_, context| context.join(sockets[member], room)).expect("room");
    }
    Party { bench, lines, ids, sockets }
}

impl Party {
    fn emit(&mut self, target: Target<'_>) -> Vec<usize> {
        let count = self.bench.enter(|_, context| context.count(target));
        self.bench.enter(|_, context| context.emit(target, "x", NOTHING)).expect("room");
        let got = self.got(r#"42["x"]"#);
        assert_eq!(count, got.len(), "{target:?}");
        got
    }

    /// Who got this text, once, and nothing else.
    fn got(&mut self, text: &str) -> Vec<usize> {
        let mut got = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let frames = self.bench.all(*line);
            if !frames.is_empty() {
                assert_eq!(frames, [Frame::Text(text.into())], "client {at}");
                got.push(at);
            }
        }
        got
    }
}

#[test]
fn everybody_in_the_union_of_rooms_gets_it_once() {
    let mut party = party();
    for (rooms, expected) in [
        (&[][..], &[0, 1, 2, 3, 4][..]),
        (&["a"], &[0, 1]),
        (&["a", "b"], &[0, 1, 2]),
        (&["b", "a", "b"], &[0, 1, 2]),
        (&["a", "c", "nobody"], &[0, 1, 3]),
        (&["nobody"], &[]),
        (&["/"], &[]),
        (&[""], &[]),
    ] {
        assert_eq!(party.emit(Target::all().rooms(rooms)), expected, "{rooms:?}");
    }
}

#[test]
fn exceptions_win() {
    let mut party = party();
    for (rooms, except, expected) in [
        (&[][..], &["a"][..], &[2, 3, 4][..]),
        (&[], &["a", "c"], &[2, 4]),
        (&["a"], &["b"], &[0]),
        (&["a", "b"], &["b"], &[0]),
        (&["a"], &["a"], &[]),
        (&["a"], &["nobody"], &[0, 1]),
        (&[], &["a", "b", "c"], &[4]),
    ] {
        let target = Target::all().rooms(rooms).except_rooms(except);
        assert_eq!(party.emit(target), expected, "{rooms:?} without {except:?}");
    }
    let sender = party.sockets[1];
    assert_eq!(party.emit(Target::all().except(sender)), [0, 2, 3, 4]);
    assert_eq!(party.emit(Target::all().rooms(&["a", "b"]).except(sender)), [0, 2]);
    assert_eq!(party.emit(Target::all().rooms(&["a"]).except_rooms(&["b"]).except(sender)), [0]);
}

#[test]
fn the_id_of_a_socket_is_the_name_of_a_room_of_its_own() {
    let mut party = party();
    let ids = party.ids.clone();
    let (first, last): (&str, &str) = (&ids[0], &ids[4]);
    assert_eq!(party.emit(Target::all().rooms(&[last])), [4]);
    assert_eq!(party.emit(Target::all().rooms(&["a", last, first])), [0, 1, 4]);
    assert_eq!(party.emit(Target::all().except_rooms(&[first])), [1, 2, 3, 4]);
    assert_eq!(party.emit(Target::all().rooms(&["a"]).except_rooms(&[first, last])), [1]);
    let socket = party.sockets[4];
    assert_eq!(party.emit(Target::socket(socket)), [4]);
    assert_eq!(party.emit(Target::socket(socket).except_rooms(&[last])), Vec::<usize>::new());
}

#[test]
fn others_may_join_the_room_of_a_socket() {
    let mut party = party();
    let (id, sockets) = (party.ids[0].clone(), party.sockets.clone());
    for socket in [3, 0, 0] {
        party.bench.enter(|_, context| context.join(sockets[socket], &id)).unwrap();
    }
    assert_eq!(party.emit(Target::all().rooms(&[&id])), [0, 3]);
    assert_eq!(party.emit(Target::all().rooms(&[&id, "a"])), [0, 1, 3]);
    assert_eq!(party.emit(Target::all().except_rooms(&[&id])), [1, 2, 4]);
    party.bench.enter(|_, context| context.leave(sockets[3], &id));
    assert_eq!(party.emit(Target::all().rooms(&[&id])), [0]);
}

#[test]
fn joining_twice_is_joining_once_and_leaving_ends_it() {
    let mut party = party();
    let socket = party.sockets[4];
    for _ in 0..3 {
        party.bench.enter(|_, context| context.join(socket, "a")).unwrap();
    }
    assert_eq!(party.emit(Target::all().rooms(&["a"])), [0, 1, 4]);
    party.bench.enter(|_, context| {
        context.leave(socket, "a");
        context.leave(socket, "a");
        context.leave(socket, "nobody");
        context.leave(socket, "/");
    });
    assert_eq!(party.emit(Target::all().rooms(&["a"])), [0, 1]);
    assert_eq!(party.emit(Target::all()), [0, 1, 2, 3, 4]);
}

#[test]
fn who_has_left_is_in_no_room() {
    let mut party = party();
    party.bench.lose_line(party.lines[1], CloseReason::TransportClose);
    assert_eq!(party.emit(Target::all().rooms(&["a", "b"])), [0, 2]);
    let gone = party.sockets[1];
    assert_eq!(party.emit(Target::socket(gone)), [0; 0]);
    let joined = party.bench.enter(|_, context| context.join(gone, "a"));
    assert_eq!(joined, Err(CapacityError::Gone));
    party.bench.enter(|_, context| {
        context.leave(gone, "a");
        context.disconnect(gone, true);
        context.drop_connection(gone);
        assert_eq!(context.data(gone), b"");
        assert_eq!(context.set_data(gone, b"x"), Err(CapacityError::Gone));
        assert_eq!(context.socket_id(gone), None);
    });
    assert_eq!(party.emit(Target::all()), [0, 2, 3, 4]);
}

#[test]
fn namespaces_have_rooms_of_their_own() {
    let mut party = party();
    let line = party.lines[0];
    party.bench.send_text(line, "40/custom,");
    party.bench.text(line);
    let custom = party.bench.newest();
    party.bench.enter(|_, context| context.join(custom, "a")).unwrap();
    let target = Target::namespace("/custom").rooms(&["a"]);
    party.bench.enter(|_, context| context.emit(target, "x", NOTHING)).unwrap();
    assert_eq!(party.got(r#"42/custom,["x"]"#), [0]);
    assert_eq!(party.emit(Target::all().rooms(&["a"])), [0, 1]);
    assert_eq!(party.emit(Target::namespace("/other")), [0; 0]);
    assert_eq!(party.emit(Target::namespace("a")), [0; 0]);
    party.bench.enter(|_, context| context.emit(Target::socket(custom), "x", NOTHING)).unwrap();
    assert_eq!(party.got(r#"42/custom,["x"]"#), [0]);
}

#[test]
fn volatile_events_reach_only_those_who_could_take_them_at_once() {
    let mut party = party();
    party.bench.stall(party.lines[0], true);
    assert_eq!(party.emit(Target::all()), [0, 1, 2, 3, 4], "the first goes into the connection");
    party.bench.enter(|_, context| context.emit(Target::all().volatile(), "v", NOTHING)).unwrap();
    assert_eq!(party.got(r#"42["v"]"#), [1, 2, 3, 4]);
    party.bench.stall(party.lines[0], false);
    assert_eq!(party.got(r#"42["v"]"#), [0; 0], "it is never sent later");

    let (sid, _) = party.bench.connect_polling();
    party.bench.enter(|_, context| context.emit(Target::all().volatile(), "v", NOTHING)).unwrap();
    let poll = party.bench.poll(&sid);
    assert_eq!(party.bench.answer(poll), None, "there was no poll");
    party.bench.enter(|_, context| context.emit(Target::all().volatile(), "v", NOTHING)).unwrap();
    assert_eq!(party.bench.http(poll), (200, r#"42["v"]"#.into()));
}

#[test]
fn a_broadcast_is_encoded_once() {
    let mut bench = Bench::plain();
    let lines: Vec<_> = (0..100).map(|_| bench.connect_websocket().0).collect();
    for line in &lines {
        bench.stall(*line, true);
    }
    let text = "x".repeat(1_000);
    let before = bench.frames_bytes();
    let json = format!("\"{text}\"");
    bench.enter(|_, context| context.emit(Target::all(), "big", Payload::json(&json))).unwrap();
    let added = bench.frames_bytes() - before;
    assert!((1_000..1_100).contains(&added), "{added} bytes for 100 clients");
    bench.enter(|_, context| {
        let prepared = context.prepare("big", &json).unwrap();
        context.send_prepared(Target::all(), &prepared);
        context.discard(prepared);
    });
    assert_eq!(bench.frames_bytes() - before, 2 * added);
    for line in lines {
        bench.stall(line, false);
        assert_eq!(
            bench.all(line),
            [Frame::Text(format!(r#"42["big","{text}"]"#)), Frame::Text(format!(r#"42["big","{text}"]"#))]
        );
    }
    assert_eq!(bench.frames_bytes(), before);
}

#[test]
fn everybody_meant_is_visited_until_the_visitor_has_seen_enough() {
    let mut party = party();
    let sockets = party.sockets.clone();
    party.bench.enter(|_, context| {
        for (at, socket) in sockets.iter().enumerate() {
            context.set_data(*socket, &[at as u8]).unwrap();
        }
        context.set_data(sockets[0], b"new").unwrap();
    });
    let mut seen = Vec::new();
    party.bench.enter(|_, context| {
        context.visit(Target::all(), &mut |socket, id, data| {
            seen.push((socket, id.to_string(), data.to_vec()));
            true
        });
    });
    let mut expected: Vec<_> = (0..5).map(|at| (sockets[at], party.ids[at].clone(), vec![at as u8])).collect();
    expected[0].2 = b"new".into();
    expected.reverse();
    assert_eq!(seen, expected, "those that came last first");
    let mut visited = 0;
    party.bench.enter(|_, context| {
        context.visit(Target::all(), &mut |_, _, _| {
            visited += 1;
            visited < 3
        });
    });
    assert_eq!(visited, 3);
}

#[test]
fn a_socket_is_in_no_more_rooms_than_the_limit_and_their_names_are_no_longer() {
    let limits = Limits { rooms_by_socket_max: 2, name_bytes_max: 8, ..Limits::default() };
    let mut bench = Bench::limited(limits);
    bench.connect_websocket();
    let socket = bench.newest();
    bench.enter(|_, context| {
        assert_eq!(context.join(socket, "123456789"), Err(CapacityError::Names));
        assert_eq!(context.join(socket, "12345678"), Ok(()));
        assert_eq!(context.join(socket, "b"), Ok(()));
        assert_eq!(context.join(socket, "c"), Err(CapacityError::Memberships));
        assert_eq!(context.join(socket, "b"), Ok(()));
        context.leave(socket, "b");
        assert_eq!(context.join(socket, "c"), Ok(()));
        assert_eq!(context.count(Target::all().rooms(&["b"])), 0);
        assert_eq!(context.count(Target::all().rooms(&["c"])), 1);
    });
}

#[test]
fn changes_of_rooms_are_told_in_order_and_what_is_too_much_is_counted() {
    let mut bench = Bench::limited(Limits { room_changes_max: 4, ..Limits::default() });
    let (first, _) = bench.connect_websocket();
    let a = bench.newest();
    bench.connect_websocket();
    let b = bench.newest();
    bench.calls();
    let joined = |bench: &mut Bench, socket, room: &str| {
        bench.enter(|_, context| context.join(socket, room)).expect("there is room");
    };
    let room =
        |room: &str, socket, has_joined, is_only_member| Call::Room(room.into(), socket, has_joined, is_only_member);
    joined(&mut bench, a, "x");
    joined(&mut bench, a, "x");
    joined(&mut bench, b, "x");
    assert_eq!(bench.calls(), [room("x", a, true, true), room("x", b, true, false)]);
    bench.lose_line(first, CloseReason::TransportClose);
    assert!(bench.calls().contains(&room("x", a, false, false)));
    bench.enter(|_, context| context.leave(b, "x"));
    assert_eq!(bench.calls(), [room("x", b, false, true)]);
    bench.enter(|_, context| {
        for name in ["1", "2", "3", "4", "5", "6"] {
            context.join(b, name).expect("there is room");
        }
    });
    let calls = bench.calls();
    assert_eq!(calls.len(), 5, "{calls:?}");
    assert_eq!(calls[4], Call::RoomChangesLost(2));
}

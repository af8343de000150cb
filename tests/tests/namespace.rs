//! Joining and leaving namespaces (Socket.IO protocol, "Connection to a namespace"; rows P10 to P16 of the measured facts).

use sprat_core::{Limits, SocketId};
use sprat_tests::driver::sid_of;
use sprat_tests::{Bench, Call, Frame};

fn pending(bench: &mut Bench) -> SocketId {
    bench.enter(|app, _| app.pending.pop().expect("a pending connect"))
}

#[test]
fn a_client_that_joins_gets_an_id_of_its_own() {
    let mut bench = Bench::plain();
    let (line, session) = bench.open_websocket();
    bench.send_text(line, r#"40{"token":"x"}"#);
    let connect = bench.text(line);
    let id = sid_of(&connect);
    assert_eq!(connect, format!(r#"40{{"sid":"{id}"}}"#));
    assert_eq!(id.len(), 20);
    assert_ne!(id, session);
    let socket = bench.newest();
    let auth = Some(r#"{"token":"x"}"#.into());
    assert_eq!(bench.calls(), [Call::Connect("/".into(), auth), Call::Connected(socket)]);
    bench.enter(|_, context| {
        assert_eq!(context.socket_id(socket), Some(id.as_str()));
        assert_eq!(context.find_socket("/", &id), Some(socket));
        assert_eq!(context.find_socket("/custom", &id), None);
        assert_eq!(context.find_socket("/", &session), None);
    });
}

#[test]
fn one_session_may_join_several_namespaces_whose_events_stay_apart() {
    let mut bench = Bench::plain();
    let (line, root) = bench.connect_websocket();
    bench.send_text(line, "40/custom,");
    let connect = bench.text(line);
    let custom = sid_of(&connect);
    assert_eq!(connect, format!(r#"40/custom,{{"sid":"{custom}"}}"#));
    assert_ne!(root, custom);
    bench.send_text(line, r#"42/custom,["echo",1]"#);
    bench.send_text(line, r#"42/custom,5["echo",2]"#);
    bench.send_text(line, r#"42["echo",3]"#);
    let expected = [r#"42/custom,["echo",1]"#, "43/custom,5[2]", r#"42["echo",3]"#];
    assert_eq!(bench.all(line), expected.map(|text| Frame::Text(text.into())));
    bench.calls();
    bench.send_text(line, "41/custom,");
    assert_eq!(bench.reasons(), ["client namespace disconnect"]);
    bench.send_text(line, r#"42["echo",4]"#);
    assert_eq!(bench.text(line), r#"42["echo",4]"#);
    bench.send_text(line, "40/custom");
    assert_ne!(sid_of(&bench.text(line)), custom);
}

#[test]
fn an_unknown_namespace_is_refused_by_name_and_the_connection_stays() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    for (connect, answer) in [
        ("40/nope", r#"44/nope,{"message":"Invalid namespace"}"#),
        ("40/nope,", r#"44/nope,{"message":"Invalid namespace"}"#),
        (r#"40/nope,{"a":1}"#, r#"44/nope,{"message":"Invalid namespace"}"#),
        ("40/custom?a=b,", r#"44/custom?a=b,{"message":"Invalid namespace"}"#),
    ] {
        bench.send_text(line, connect);
        assert_eq!(bench.text(line), answer, "{connect}");
    }
    bench.send_text(line, r#"42["echo",1]"#);
    assert_eq!(bench.text(line), r#"42["echo",1]"#);
}

#[test]
fn a_refused_client_learns_why_and_may_try_again() {
    let mut bench = Bench::plain();
    let (line, _) = bench.open_websocket();
    for _ in 0..3 {
        bench.send_text(line, "40/refuse,");
        assert_eq!(bench.text(line), r#"44/refuse,{"message":"not authorized","data":{"code":1}}"#);
    }
    bench.send_text(line, "40");
    assert!(bench.text(line).starts_with("40{"));
    assert_eq!(bench.enter(|app, _| app.sockets.len()), 1);
}

#[test]
fn a_pending_connect_is_accepted_later() {
    let mut bench = Bench::plain();
    let (line, _) = bench.open_websocket();
    bench.send_text(line, "40/pending,");
    bench.advance(5_000);
    assert_eq!(bench.all(line), []);
    let socket = pending(&mut bench);
    bench.calls();
    bench.enter(|_, context| {
        assert!(context.join(socket, "room").is_err(), "it is not there yet");
        context.accept(socket);
        context.accept(socket);
        context.refuse(socket, "too late", None);
    });
    assert_eq!(bench.calls(), [Call::Connected(socket)]);
    assert!(bench.text(line).starts_with(r#"40/pending,{"sid":""#));
    bench.send_text(line, r#"42/pending,["echo",1]"#);
    assert_eq!(bench.all(line), [Frame::Text(r#"42/pending,["echo",1]"#.into())]);
}

#[test]
fn a_pending_connect_is_refused_later_and_the_client_may_try_again() {
    let mut bench = Bench::plain();
    let (line, _) = bench.open_websocket();
    bench.send_text(line, "40/pending,");
    let socket = pending(&mut bench);
    bench.enter(|_, context| context.refuse(socket, "say \"please\"", Some("[1]")));
    assert_eq!(bench.text(line), r#"44/pending,{"message":"say \"please\"","data":[1]}"#);
    bench.send_text(line, "40/pending,");
    let again = pending(&mut bench);
    assert_ne!(again, socket);
    bench.enter(|_, context| {
        context.accept(socket);
        context.accept(again);
    });
    assert!(bench.text(line).starts_with(r#"40/pending,{"sid":""#));
    assert_eq!(bench.all(line), []);
    assert_eq!(bench.reasons(), [""; 0]);
}

#[test]
fn whoever_is_gone_before_the_decision_is_never_connected() {
    let mut bench = Bench::plain();
    let (line, _) = bench.open_websocket();
    bench.send_text(line, "40/pending,");
    let socket = pending(&mut bench);
    bench.calls();
    bench.lose_line(line, sprat_core::CloseReason::TransportClose);
    bench.enter(|_, context| context.accept(socket));
    assert_eq!(bench.calls(), []);
    assert!(bench.server().is_idle());
}

#[test]
fn a_client_whose_connect_is_pending_may_say_nothing_in_that_namespace() {
    for packet in [r#"42/pending,["x"]"#, "40/pending,", "41/pending,", "43/pending,1[]", "44/pending,{}"] {
        let mut bench = Bench::plain();
        let (line, _) = bench.open_websocket();
        bench.send_text(line, "40/pending,");
        bench.send_text(line, packet);
        assert!(bench.is_closed(line), "{packet}");
        assert!(bench.server().is_idle(), "{packet}");
    }
}

#[test]
fn joining_twice_or_speaking_where_one_is_not_ends_the_session() {
    for (packets, closing) in [
        (&[][..], r#"42["x"]"#),
        (&[], "41"),
        (&[], "430[]"),
        (&["40"], "40"),
        (&["40"], r#"42/custom,["x"]"#),
        (&["40"], "41/custom,"),
        (&["40"], r#"44{"message":"x"}"#),
        (&["40", "41"], r#"42["x"]"#),
        (&["40", "41"], "41"),
        (&["40/refuse,"], r#"42/refuse,["x"]"#),
        (&["40/nope,"], r#"42/nope,["x"]"#),
    ] {
        let mut bench = Bench::plain();
        let (line, _) = bench.open_websocket();
        for packet in packets {
            bench.send_text(line, packet);
            assert!(!bench.is_closed(line), "{packets:?} {closing}");
        }
        bench.send_text(line, closing);
        assert!(bench.is_closed(line), "{packets:?} {closing}");
        assert!(bench.server().is_idle());
    }
}

#[test]
fn an_event_may_follow_its_connect_at_once() {
    let mut bench = Bench::plain();
    let sid = bench.open_polling();
    bench.push(&sid, "40\x1e42[\"echo\",1]");
    let body = bench.pull(&sid);
    let (connect, event) = body.split_once('\x1e').unwrap();
    assert!(connect.starts_with("40{"), "{body}");
    assert_eq!(event, r#"42["echo",1]"#);
}

#[test]
fn leaving_the_last_namespace_leaves_the_session_open() {
    let mut bench = Bench::plain();
    let (line, first) = bench.connect_websocket();
    bench.send_text(line, "41");
    assert_eq!(bench.reasons(), ["client namespace disconnect"]);
    bench.send_text(line, "40");
    assert_ne!(sid_of(&bench.text(line)), first);
}

#[test]
fn who_is_made_to_leave_is_told_and_stays_connected() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, "40/custom,");
    bench.text(line);
    let custom = bench.newest();
    bench.calls();
    bench.enter(|_, context| {
        context.disconnect(custom, false);
        context.disconnect(custom, false);
        assert!(context.join(custom, "room").is_err());
    });
    assert_eq!(bench.all(line), [Frame::Text("41/custom,".into())]);
    assert_eq!(bench.reasons(), ["server namespace disconnect"]);
    bench.send_text(line, r#"42["echo",1]"#);
    assert_eq!(bench.text(line), r#"42["echo",1]"#);
}

#[test]
fn a_session_that_joins_nothing_in_45_s_is_closed() {
    // A client that is refused has joined nothing either. The pings before that moment are answered.
    for connect in ["40/refuse,", "40/pending,"] {
        let mut bench = Bench::plain();
        let (line, _) = bench.open_websocket();
        bench.send_text(line, connect);
        bench.advance(25_000);
        bench.send_text(line, "3");
        bench.advance(19_999);
        assert!(!bench.is_closed(line));
        bench.advance(1);
        assert!(bench.is_closed(line), "{connect}");
        assert!(bench.server().is_idle());
    }
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, "41");
    bench.advance(25_000);
    bench.send_text(line, "3");
    bench.advance(20_001);
    assert!(!bench.is_closed(line), "it had joined once");
}

#[test]
fn there_are_no_more_namespaces_for_a_session_than_the_limit() {
    let mut bench = Bench::limited(Limits { namespaces_by_session_max: 2, ..Limits::default() });
    let (line, _) = bench.connect_websocket();
    bench.send_text(line, "40/custom,");
    bench.text(line);
    bench.send_text(line, "40/other,");
    assert_eq!(bench.text(line), r#"44/other,{"message":"Server is full"}"#);
    bench.send_text(line, "41");
    bench.send_text(line, "40/other,");
    assert!(bench.text(line).starts_with("40/other,{"));
}

#[test]
fn disconnecting_the_session_leaves_every_namespace() {
    let mut bench = Bench::plain();
    let (line, _) = bench.connect_websocket();
    for namespace in ["/custom", "/other"] {
        bench.send_text(line, &format!("40{namespace},"));
        bench.text(line);
    }
    let socket = bench.newest();
    bench.calls();
    bench.enter(|_, context| context.disconnect(socket, true));
    let mut texts: Vec<String> =
        core::iter::from_fn(|| bench.receive(line)).map(|frame| format!("{frame:?}")).collect();
    texts.sort();
    assert_eq!(texts, [r#"Text("41")"#, r#"Text("41/custom,")"#, r#"Text("41/other,")"#]);
    assert!(bench.is_closed(line));
    assert_eq!(bench.reasons(), ["server namespace disconnect"; 3]);
}

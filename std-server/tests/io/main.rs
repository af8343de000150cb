//! What applications made of closures can do, over loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod behaviour;
mod client;

use core::time::Duration;
use std::sync::mpsc::{Receiver, Sender, channel};

use client::{Client, serve, serve_with};
use smol::block_on;
use sprat::{
    AckError, Acks, Args, Binary, CloseReason, Config, EmitError, EventError, HandleError, Io, PeerError, Refusal,
    Service, Transport, Value, json,
};

/// Sends what happens on the server's thread to the test.
fn report<T: Send + 'static>() -> (Sender<T>, impl FnMut() -> T) {
    let (sender, receiver): (Sender<T>, Receiver<T>) = channel();
    (sender, move || receiver.recv_timeout(Duration::from_secs(10)).unwrap())
}

#[test]
fn a_handler_gets_typed_arguments_and_acknowledges() {
    let server = serve(|io| {
        io.on("sum", |socket, (a, b): (i64, Option<i64>), ack| ack.send(socket, (a + b.unwrap_or(100), "done")));
        io.on("nothing", |socket, (), ack| ack.send(socket, ()));
        io.on("escaped \u{e9}", |socket, text: String, ack| {
            assert!(ack.is_wanted());
            ack.send(socket, text);
        });
    });
    block_on(async {
        let mut client = server.join().await;
        assert_eq!(client.ask(r#"["sum",1,2]"#).await, r#"[3,"done"]"#);
        assert_eq!(client.ask(r#"["sum",1]"#).await, r#"[101,"done"]"#);
        assert_eq!(client.ask(r#"["sum",1,2,"more"]"#).await, r#"[3,"done"]"#);
        assert_eq!(client.ask(r#"["nothing",1]"#).await, "[]");
        assert_eq!(client.ask(r#"["\u0065scaped é","x"]"#).await, r#"["x"]"#);
    });
}

#[test]
fn arguments_of_other_types_are_an_error_of_the_event() {
    let server = serve(|io| {
        io.on("age", |_socket, _age: u8, _ack| unreachable!("300 is no u8"));
        io.on_error(|socket, event, problem| {
            assert!(matches!(problem, EventError::Args(_)));
            socket.emit("problem", (event.name(), problem.to_string().contains("u8")));
        });
    });
    block_on(async {
        let mut client = server.join().await;
        for args in [",300", "", r#","1""#, ",null"] {
            client.send(&format!(r#"2["age"{args}]"#)).await;
            assert!(client.receive().await.starts_with(r#"2["problem","age","#));
        }
    });
}

#[test]
fn namespaces_are_static_or_taken_by_a_predicate_that_knows_the_auth() {
    let server = serve(|io| {
        io.of("fixed").on("where", |socket, (), ack| ack.send(socket, socket.namespace().to_owned()));
        let rooms =
            io.of_dynamic(|name, auth| name.starts_with("/room-") && auth.is_some_and(|auth| auth.contains("key")));
        rooms.on("where", |socket, (), ack| {
            let namespace = socket.namespace().to_owned();
            ack.send(socket, (namespace, socket.auth::<Value>().unwrap()));
        });
    });
    block_on(async {
        let mut client = server.open("", &[]).await;
        client.join("/fixed", "").await;
        client.send(r#"2/fixed,1["where"]"#).await;
        assert_eq!(client.receive().await, r#"3/fixed,1["/fixed"]"#);
        client.join("/room-1", r#"{"key":1}"#).await;
        client.send(r#"2/room-1,["other"]"#).await;
        client.send(r#"2/room-1,1["where"]"#).await;
        assert_eq!(client.receive().await, r#"3/room-1,1["/room-1",{"key":1}]"#);
        for connect in [r#"0/room-2,{"no":1}"#, "0/else,"] {
            client.send(connect).await;
            let name = &connect[1..connect.find(',').unwrap()];
            assert_eq!(client.receive().await, format!(r#"4{name},{{"message":"Invalid namespace"}}"#));
        }
    });
}

#[test]
fn a_middleware_refuses_with_a_message_and_data() {
    let (refused, mut next_refused) = report();
    let server = serve(move |io| {
        io.use_connect(|_| Ok(()));
        io.use_connect(move |socket| match socket.auth::<Value>().unwrap()["name"].as_str() {
            Some(name) => {
                socket.set_data(name.to_owned());
                Ok(())
            }
            None => {
                refused.send(socket.id().len()).unwrap();
                Err(Refusal::new("who?").with_data(json!({ "code": 7 })))
            }
        });
        io.on_connection(|socket| socket.emit("hello", socket.data::<String>().cloned()));
    });
    block_on(async {
        let mut client = server.open("", &[]).await;
        client.send("0").await;
        assert_eq!(client.receive().await, r#"4{"message":"who?","data":{"code":7}}"#);
        assert_eq!(next_refused(), 20);
        client.join("/", r#"{"name":"Ada"}"#).await;
        assert_eq!(client.receive().await, r#"2["hello","Ada"]"#);
    });
}

#[test]
fn an_asynchronous_middleware_decides_later() {
    let (gate, opened) = async_channel::bounded::<Result<(), Refusal>>(1);
    let (asked, mut next_asked) = report();
    let server = serve(move |io| {
        io.use_connect_async(move |socket| {
            asked.send(socket.id().to_owned()).unwrap();
            let opened = opened.clone();
            async move { opened.recv().await.unwrap() }
        });
        io.use_connect(|socket| {
            socket.set_data(1_u8);
            Ok(())
        });
        io.on_connection(|socket| socket.emit("hello", socket.data::<u8>().copied()));
    });
    block_on(async {
        let mut client = server.open("", &[]).await;
        client.send("0").await;
        let id = next_asked();
        assert_eq!(server.handle.count().await.unwrap(), 0);
        gate.send(Ok(())).await.unwrap();
        assert_eq!(client.receive().await, format!(r#"0{{"sid":"{id}"}}"#));
        assert_eq!(client.receive().await, r#"2["hello",1]"#);

        let mut other = server.open("", &[]).await;
        other.send("0").await;
        next_asked();
        gate.send(Err(Refusal::new("no"))).await.unwrap();
        assert_eq!(other.receive().await, r#"4{"message":"no"}"#);

        // One that leaves while it waits does no harm.
        let mut third = server.open("", &[]).await;
        third.send("0").await;
        next_asked();
        drop(third);
        gate.send(Ok(())).await.unwrap();
        // Whether it was decided or gone first is open.
        while server.handle.count().await.unwrap() != 1 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_long_auth_is_kept_until_the_client_is_connected() {
    let server = serve(|io| {
        let length = |socket: &sprat::Socket<'_>| socket.auth::<Value>().unwrap()["key"].as_str().map(str::len);
        io.use_connect(move |socket| if length(socket).is_some() { Ok(()) } else { Err(Refusal::new("no key")) });
        io.on_connection(move |socket| socket.emit("connected", length(socket)));
        io.on("later", move |socket, (), ack| ack.send(socket, length(socket)));
    });
    block_on(async {
        for (len, later) in [(10, "[10]"), (1_014, "[1014]"), (2_000, "[null]")] {
            let mut client = server.open("", &[]).await;
            client.join("/", &format!(r#"{{"key":"{}"}}"#, "k".repeat(len))).await;
            assert_eq!(client.receive().await, format!(r#"2["connected",{len}]"#));
            assert_eq!(client.ask(r#"["later"]"#).await, later);
        }
    });
}

#[test]
fn the_handshake_is_what_the_client_asked_for() {
    let server = serve(|io| {
        io.on("handshake", |socket, (), ack| {
            let handshake = socket.handshake();
            assert!(handshake.address().is_some_and(|address| address.ip().is_loopback()));
            assert!(handshake.time().as_ms() > 1_700_000_000_000);
            assert!(!handshake.is_secure() && handshake.is_cross_domain());
            assert!(handshake.url().starts_with("/socket.io/?EIO=4&"));
            assert_eq!(socket.transport(), Transport::WebSocket);
            ack.send(socket, (handshake.query("token"), handshake.header("X-Test")));
        });
    });
    block_on(async {
        let mut client = server.open("&token=a%20b", &[("X-Test", "1"), ("Origin", "https://localhost")]).await;
        client.join("/", "").await;
        assert_eq!(client.ask(r#"["handshake"]"#).await, r#"["a b","1"]"#);
    });
}

#[test]
fn no_handshake_is_kept_where_none_is_wanted() {
    let server = serve(|io| {
        io.keep_handshakes(0);
        io.on("url", |socket, (), ack| ack.send(socket, socket.handshake().url().to_owned()));
    });
    block_on(async { assert_eq!(server.join().await.ask(r#"["url"]"#).await, r#"[""]"#) });
}

#[test]
fn catch_alls_come_first_and_a_middleware_stops_events() {
    let (seen, mut next_seen) = report();
    let server = serve(move |io| {
        let named = seen.clone();
        io.on_any(move |_, event| seen.send(format!("any {} {}", event.name(), event.payload().json)).unwrap());
        io.use_event(|_, event| if event.name() == "bad" { Err(Refusal::new("stop")) } else { Ok(()) });
        let failed = named.clone();
        io.on_error(move |_, event, problem| failed.send(format!("error {} {problem}", event.name())).unwrap());
        for name in ["good", "bad"] {
            let named = named.clone();
            io.on(name, move |_socket, (), _ack| named.send("named".to_owned()).unwrap());
        }
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"2["good",1,"a"]"#).await;
        assert_eq!((next_seen(), next_seen()), (r#"any good 1,"a""#.to_owned(), "named".to_owned()));
        client.send(r#"2["bad"]"#).await;
        assert_eq!((next_seen(), next_seen()), ("any bad ".to_owned(), "error bad refused: stop".to_owned()));
    });
}

#[test]
fn the_outgoing_catch_all_hears_of_every_event_once() {
    let (seen, mut next_seen) = report();
    let server = serve(move |io| {
        io.on_any_outgoing(move |outgoing| {
            let is_single = outgoing.socket.is_some();
            let what = format!("{} {} {:?} {is_single}", outgoing.namespace, outgoing.event, outgoing.rooms);
            seen.send(what).unwrap();
        });
        io.on_connection(|socket| {
            socket.emit("one", 1);
            socket.to("a").to("b").emit("some", 2);
        });
    });
    block_on(async {
        let _client = server.join().await;
        let _other = server.join().await;
        for _ in 0..2 {
            assert_eq!(
                (next_seen(), next_seen()),
                ("/ one [] true".to_owned(), r#"/ some ["a", "b"] false"#.to_owned())
            );
        }
        server.handle.of("x").emit("all", 3).await.unwrap();
        assert_eq!(next_seen(), "/x all [] false");
    });
}

#[test]
fn a_leaving_client_is_in_its_rooms_first_and_then_in_none() {
    let (seen, mut next_seen) = report();
    let server = serve(move |io| {
        let left = seen.clone();
        io.on_connection(|socket| socket.join("room"));
        io.on_disconnecting(move |socket, reason| seen.send((socket.rooms(), reason)).unwrap());
        io.on_disconnect(move |socket, reason| {
            socket.broadcast("left", (socket.id().to_owned(), socket.namespace().to_owned()));
            left.send((socket.rooms(), reason)).unwrap();
        });
        io.on("kick", |socket, close: bool, _ack| socket.disconnect(close));
    });
    block_on(async {
        let (mut client, mut other) = (server.join().await, server.join().await);
        let own = client.id.clone();
        client.send("1").await;
        assert_eq!(other.receive().await, format!(r#"2["left","{own}","/"]"#));
        let reason = CloseReason::ClientNamespaceDisconnect;
        assert_eq!(next_seen(), (vec![own.clone(), "room".to_owned()], reason));
        assert_eq!(next_seen(), (vec![own], reason));

        client.join("/", "").await;
        client.send(r#"2["kick",false]"#).await;
        assert_eq!(client.receive().await, "1");
        assert_eq!(
            (next_seen().1, next_seen().1.as_str()),
            (CloseReason::ServerNamespaceDisconnect, "server namespace disconnect")
        );

        client.join("/", "").await;
        client.send(r#"2["kick",true]"#).await;
        assert_eq!(client.receive().await, "1");
        client.ended().await;
        next_seen();
    });
}

#[test]
fn who_watches_rooms_is_told_who_joins_and_leaves() {
    let (seen, mut next_seen) = report();
    let server = serve(move |io| {
        io.on_room(move |event| {
            let id = event.id.map(str::to_owned);
            seen.send((event.room.to_owned(), id, event.has_joined, event.is_only_member)).unwrap();
        });
    });
    block_on(async {
        let (a, b) = (server.join().await, server.join().await);
        server.handle.to(&a.id).join("room").await.unwrap();
        server.handle.to(&b.id).join("room").await.unwrap();
        assert_eq!(next_seen(), ("room".to_owned(), Some(a.id.clone()), true, true));
        assert_eq!(next_seen(), ("room".to_owned(), Some(b.id.clone()), true, false));
        server.handle.to(&b.id).leave("room").await.unwrap();
        assert_eq!(next_seen(), ("room".to_owned(), Some(b.id.clone()), false, false));
        drop(a);
        let (room, _, has_joined, is_only_member) = next_seen();
        assert_eq!((room.as_str(), has_joined, is_only_member), ("room", false, true));
    });
}

#[test]
fn a_socket_has_a_value_of_the_applications_own() {
    #[derive(Clone)]
    struct Clicks(u32);
    let server = serve(|io| {
        io.on_connection(|socket| {
            assert!(socket.data::<Clicks>().is_none());
            socket.set_data(Clicks(0));
            assert!(socket.data::<String>().is_none() && socket.data_mut::<String>().is_none());
        });
        io.on("click", |socket, (), ack| {
            let clicks = socket.data_mut::<Clicks>().unwrap();
            clicks.0 += 1;
            let clicks = clicks.0;
            ack.send(socket, clicks);
        });
    });
    block_on(async {
        let mut client = server.join().await;
        assert_eq!(client.ask(r#"["click"]"#).await, "[1]");
        let fetched = server.handle.fetch().await.unwrap();
        assert_eq!(client.ask(r#"["click"]"#).await, "[2]");
        assert_eq!(fetched[0].data::<Clicks>().unwrap().0, 1, "what was fetched stays as it was");
        let socket = fetched[0].socket();
        assert!(socket.set_data("text").await.unwrap());
        assert_eq!(socket.data::<&str>().await.unwrap().as_deref(), Some(&"text"));
        assert!(socket.data::<Clicks>().await.unwrap().is_none());
    });
}

#[test]
fn a_handle_reaches_whom_it_means_from_another_thread() {
    let server = serve(|io| {
        io.on("join", |socket, room: String, ack| {
            socket.join(&room);
            ack.send(socket, ());
        });
    });
    block_on(async {
        let (mut a, mut b, mut c) = (server.join().await, server.join().await, server.join().await);
        a.ask(r#"["join","red"]"#).await;
        b.ask(r#"["join","blue"]"#).await;
        let handle = server.handle.clone();
        std::thread::spawn(move || {
            handle.to("red").to("blue").try_emit("both", (1, "x")).unwrap();
            handle.except("blue").try_emit("not blue", ()).unwrap();
            handle.try_emit("all", json!(null)).unwrap();
        })
        .join()
        .unwrap();
        for (client, packets) in [
            (&mut a, &[r#"2["both",1,"x"]"#, r#"2["not blue"]"#, r#"2["all",null]"#][..]),
            (&mut b, &[r#"2["both",1,"x"]"#, r#"2["all",null]"#]),
            (&mut c, &[r#"2["not blue"]"#, r#"2["all",null]"#]),
        ] {
            for packet in packets {
                assert_eq!(&client.receive().await, packet);
            }
        }
    });
}

#[test]
fn a_handle_changes_rooms_counts_finds_and_disconnects() {
    let server = serve(|_| {});
    block_on(async {
        let (mut a, mut b) = (server.join().await, server.join().await);
        let handle = &server.handle;
        assert_eq!(handle.count().await.unwrap(), 2);
        handle.everybody().join("room").await.unwrap();
        handle.to(&a.id).leave("room").await.unwrap();
        assert_eq!(handle.to("room").count().await.unwrap(), 1);
        let found = handle.find(&b.id).await.unwrap().unwrap();
        assert_eq!(found.rooms().await.unwrap(), [b.id.clone(), "room".to_owned()]);
        assert!(handle.find("AAAAAAAAAAAAAAAAAAAA").await.unwrap().is_none());
        found.to("room").emit("nobody", ()).await.unwrap();
        found.others().emit("others", 1).await.unwrap();
        found.emit("you", 2).await.unwrap();
        assert_eq!(a.receive().await, r#"2["others",1]"#);
        assert_eq!(b.receive().await, r#"2["you",2]"#);
        handle.everybody().try_disconnect(true).unwrap();
        for client in [&mut a, &mut b] {
            assert_eq!(client.receive().await, "1");
            client.ended().await;
        }
        assert!(!found.is_connected().await.unwrap());
        assert_eq!(handle.enter(|context| context.count(sprat_core::Target::all())).await.unwrap(), 0);
    });
}

#[test]
fn an_acknowledgement_comes_times_out_or_fails_with_the_client() {
    let (seen, mut next_seen) = report();
    let server = serve(move |io| {
        io.on("ask", move |socket, timeout_ms: Option<u64>, _ack| {
            let seen = seen.clone();
            let timeout = timeout_ms.map(Duration::from_millis);
            socket.emit_with_ack("question", (1, 2), timeout, move |socket, answer: Result<(u8, String), AckError>| {
                seen.send((socket.id().len(), format!("{answer:?}").split('(').next().unwrap().to_owned())).unwrap();
            });
        });
    });
    block_on(async {
        let mut client = server.join().await;
        let next = async |client: &mut Client, ask: &str, answer: &str| {
            client.send(ask).await;
            let question = client.receive().await;
            let number = question.strip_prefix('2').unwrap().strip_suffix(r#"["question",1,2]"#).unwrap().to_owned();
            if !answer.is_empty() {
                client.send(&format!("3{number}{answer}")).await;
            }
            number
        };
        let first = next(&mut client, r#"2["ask"]"#, r#"[1,"a"]"#).await;
        assert_eq!((first.as_str(), next_seen()), ("0", (20, "Ok".to_owned())));
        client.send(r#"30[1,"again"]"#).await;
        next(&mut client, r#"2["ask"]"#, r#"["a"]"#).await;
        assert_eq!(next_seen().1, "Err", "of another type");
        next(&mut client, r#"2["ask",1]"#, "").await;
        assert_eq!(next_seen().1, "Err", "too late");
        next(&mut client, r#"2["ask"]"#, "").await;
        drop(client);
        assert_eq!(next_seen().1, "Err", "gone");
    });
}

#[test]
fn an_acknowledgement_can_be_awaited() {
    let server = serve(|io| {
        io.on_async("relay", |socket, question: String, ack| async move {
            let answer: Result<Args, AckError> = socket.emit_with_ack("question", question, None).await;
            let _ = ack.send(answer.unwrap()).await;
        });
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"25["relay","how?"]"#).await;
        assert_eq!(client.receive().await, r#"20["question","how?"]"#);
        client.send(r#"30["so",{"a":1}]"#).await;
        assert_eq!(client.receive().await, r#"35["so",{"a":1}]"#);

        let socket = server.handle.find(&client.id).await.unwrap().unwrap();
        let timeout = Some(Duration::from_millis(1));
        let late: Result<u8, AckError> = socket.emit_with_ack("silent", (), timeout).await;
        assert!(matches!(late, Err(AckError::Timeout)));
        let reserved: Result<u8, AckError> = socket.emit_with_ack("disconnect", (), timeout).await;
        assert!(matches!(reserved, Err(AckError::Handle(HandleError::Reserved))));
        drop(client);
        let gone: Result<u8, AckError> = socket.emit_with_ack("gone", (), None).await;
        assert!(matches!(gone, Err(AckError::Disconnected | AckError::Emit(EmitError::Capacity(_)))), "{gone:?}");
    });
}

#[test]
fn acknowledgements_of_many_come_with_those_that_are_missing() {
    let server = serve(|_| {});
    block_on(async {
        let handle = &server.handle;
        let nobody: Acks<u8> = handle.everybody().emit_with_acks("ask", ()).await.unwrap();
        assert!(nobody.answers.is_empty() && nobody.failures.is_empty());

        let (mut a, mut b, mut c) = (server.join().await, server.join().await, server.join().await);
        let everybody = handle.everybody().timeout(Duration::from_millis(300));
        let ask = everybody.emit_with_acks::<u8>("ask", 1);
        let answer = async {
            assert_eq!(a.receive().await, r#"20["ask",1]"#);
            a.send("30[5]").await;
            assert_eq!(b.receive().await, r#"20["ask",1]"#);
            assert_eq!(c.receive().await, r#"20["ask",1]"#);
            drop(c);
        };
        let (acks, ()) = smol::future::zip(ask, answer).await;
        let acks = acks.unwrap();
        assert_eq!(acks.answers, [(a.id.clone(), 5)]);
        let mut problems: Vec<_> = acks.failures.iter().map(|(_, problem)| format!("{problem:?}")).collect();
        problems.sort();
        assert_eq!(problems, ["Disconnected", "Timeout"]);
    });
}

#[test]
fn a_handler_collects_acknowledgements_too() {
    let server = serve(|io| {
        io.on("poll", |socket, (), ack| {
            let sender = ack.into_sender(socket);
            let asked = socket.others().emit_with_acks("vote", (), move |acks: Acks<bool>| {
                let _ = sender.try_send((acks.answers.len(), acks.failures.len()));
            });
            asked.unwrap();
        });
    });
    block_on(async {
        let (mut a, mut b) = (server.join().await, server.join().await);
        a.send(r#"29["poll"]"#).await;
        assert_eq!(b.receive().await, r#"20["vote"]"#);
        b.send("30[true]").await;
        assert_eq!(a.receive().await, "39[1,0]");
    });
}

#[test]
fn what_is_used_elsewhere_can_be_sent_there() {
    fn is_shared<T: Clone + Send + Sync>() {}
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    is_shared::<sprat::Handle>();
    is_shared::<sprat::Group>();
    is_shared::<sprat::SocketRef>();
    is_shared::<sprat::RemoteSocket>();
    let server = serve(|_| {});
    block_on(async {
        let client = server.join().await;
        let handle = &server.handle;
        let socket = is_send(handle.find(&client.id)).await.unwrap().unwrap();
        assert_eq!(is_send(handle.fetch()).await.unwrap().len(), 1);
        is_send(socket.emit("x", 1)).await.unwrap();
        let timeout = Some(Duration::from_millis(1));
        assert!(is_send(socket.emit_with_ack::<u8>("x", 1, timeout)).await.is_err());
    });
}

#[test]
fn the_queue_keeps_what_is_told_before_the_server_runs_and_is_bounded() {
    let server = serve(|io| {
        let handle = io.handle();
        for number in 0..8 {
            handle.to("nobody").try_emit("early", number).unwrap();
        }
        assert!(matches!(handle.try_emit("full", 8), Err(HandleError::Full)));
        assert!(matches!(handle.everybody().try_join("full"), Err(HandleError::Full)));
    });
    block_on(async {
        assert_eq!(server.handle.count().await.unwrap(), 0);
        let mut client = server.join().await;
        for number in 0..1_000 {
            server.handle.emit("n", number).await.unwrap();
        }
        for number in 0..1_000 {
            assert_eq!(client.receive().await, format!(r#"2["n",{number}]"#));
        }
    });
    let handle = server.end();
    assert!(matches!(handle.try_emit("late", 1), Err(HandleError::Closed)));
    assert!(matches!(block_on(handle.count()), Err(HandleError::Closed)));
    assert!(matches!(handle.try_emit("connect", 1), Err(HandleError::Reserved)));
}

#[test]
fn who_waits_for_an_answer_hears_of_the_end() {
    let server = serve(|_| {});
    let handle = server.handle.clone();
    let mut client = block_on(server.join());
    let waiting = std::thread::spawn(move || block_on(handle.everybody().emit_with_acks::<u8>("ask", ())));
    assert_eq!(block_on(client.receive()), r#"20["ask"]"#);
    server.handle.shut_down();
    block_on(client.ended());
    // The client goes with the server: it either left before the end, or nobody could say.
    match waiting.join().unwrap() {
        Err(problem) => assert!(matches!(problem, HandleError::Closed)),
        Ok(acks) => assert!(matches!(acks.failures[..], [(_, AckError::Disconnected)])),
    }
}

#[test]
fn binary_values_travel_both_ways_wherever_they_stand() {
    let server = serve(|io| {
        io.on("wrap", |socket, (name, files): (String, Vec<Binary>), ack| {
            let total: usize = files.iter().map(|file| file.len()).sum();
            ack.send(socket, json!({ "name": name, "total": total }));
            socket.emit("files", (json!({ "n": files.len() }), files));
        });
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"52-3["wrap","x",[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]]"#).await;
        client.attach(b"one").await;
        client.attach(b"").await;
        assert_eq!(client.receive().await, r#"33[{"name":"x","total":3}]"#);
        let files = r#"52-["files",{"n":2},[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]"#;
        assert_eq!(client.receive().await, files);
        assert_eq!((client.attachment().await, client.attachment().await), (vec![], b"one".to_vec()));
    });
}

#[test]
fn one_client_cannot_start_any_number_of_tasks() {
    let (gate, opened) = async_channel::bounded::<()>(1);
    let server = serve(move |io| {
        io.on_async("wait", move |_socket, (), ack| {
            let opened = opened.clone();
            async move {
                let _ = opened.recv().await;
                let _ = ack.send(()).await;
            }
        });
        io.on_error(|socket, event, problem| {
            assert!(matches!(problem, EventError::Busy));
            socket.emit("busy", event.name());
        });
    });
    block_on(async {
        let mut client = server.join().await;
        for number in 0..257 {
            client.send(&format!(r#"2{number}["wait"]"#)).await;
        }
        assert_eq!(client.receive().await, r#"2["busy","wait"]"#);
        drop(gate);
        for _ in 0..256 {
            assert!(client.receive().await.ends_with("[]"));
        }
        client.send(r#"27["wait"]"#).await;
        assert_eq!(client.receive().await, "37[]");
    });
}

#[test]
fn a_client_that_comes_back_finds_its_value_its_rooms_and_its_handlers() {
    let (seen, mut next_seen) = report();
    let config = Config { recovery_timeout: Duration::from_secs(60), ..Config::default() };
    let server = serve_with(config, move |io: &mut Io| {
        let namespace = io.of("/other");
        namespace.on_connection(|socket| {
            if socket.is_recovered() {
                return socket.emit("back", (socket.data::<u8>().copied(), socket.rooms().len()));
            }
            socket.set_data(7_u8);
            socket.join("room");
            socket.emit("first", 1);
        });
        namespace.on("where", |socket, (), ack| ack.send(socket, socket.namespace().to_owned()));
        namespace.on_disconnect(move |_, reason| seen.send(reason).unwrap());
    });
    block_on(async {
        let mut client = server.open("", &[]).await;
        client.send("0/other,").await;
        let answer: Value = serde_json::from_str(&client.receive().await["0/other,".len()..]).unwrap();
        let first = client.receive().await;
        let offset = first.strip_prefix(r#"2/other,["first",1,""#).unwrap().strip_suffix("\"]").unwrap().to_owned();
        drop(client);
        assert!(matches!(next_seen(), CloseReason::TransportClose | CloseReason::TransportError));
        server.handle.of("/other").to("room").emit("missed", 2).await.unwrap();

        let mut again = server.open("", &[]).await;
        let auth = json!({ "pid": answer["pid"], "offset": offset });
        again.send(&format!("0/other,{auth}")).await;
        assert!(again.receive().await.starts_with(r#"2/other,["missed",2,"#));
        let back: Value = serde_json::from_str(&again.receive().await["0/other,".len()..]).unwrap();
        assert_eq!(back["sid"], answer["sid"]);
        assert!(again.receive().await.starts_with(r#"2/other,["back",7,2,"#));
        again.send(r#"2/other,1["where"]"#).await;
        assert_eq!(again.receive().await, r#"3/other,1["/other"]"#);
    });
}

#[test]
fn clients_are_counted_by_connection_and_by_namespace() {
    let server = serve(|io| {
        io.of("/other");
    });
    block_on(async {
        assert_eq!(server.handle.clients_count().await.unwrap(), 0);
        let mut both = server.join().await;
        both.join("/other", "").await;
        let _nowhere = server.open("", &[]).await;
        assert_eq!(server.handle.clients_count().await.unwrap(), 2);
        assert_eq!(server.handle.count().await.unwrap(), 1);
        assert_eq!(server.handle.of("other").count().await.unwrap(), 1);
    });
}

#[test]
fn a_new_namespace_is_told_when_its_first_client_comes() {
    let (told, mut next_told) = report();
    let server = serve(move |io| {
        io.of("/fixed");
        io.of_dynamic(|name, _| name.starts_with("/room-")).add("lobby").on_connection({
            let told = told.clone();
            move |socket| told.send(format!("in {}", socket.namespace())).unwrap()
        });
        io.on_new_namespace(move |name| told.send(format!("new {name}")).unwrap());
    });
    block_on(async {
        let mut client = server.open("", &[]).await;
        client.join("/fixed", "").await;
        for namespace in ["/room-1", "/lobby"] {
            for is_first in [true, false] {
                let mut other = server.open("", &[]).await;
                let who = if is_first { &mut client } else { &mut other };
                who.join(namespace, "").await;
                if is_first {
                    assert_eq!(next_told(), format!("new {namespace}"));
                }
                assert_eq!(next_told(), format!("in {namespace}"));
            }
        }
        let room = server.handle.of("/room-1");
        room.everybody().disconnect(false).await.unwrap();
        assert_eq!(client.receive().await, "1/room-1,");
        assert_eq!(room.count().await.unwrap(), 0);
        client.join("/room-1", "").await;
        assert_eq!(next_told(), "new /room-1");
    });
}

#[test]
fn all_children_of_a_dynamic_namespace_are_sent_to_at_once() {
    let (made, mut next_made) = report();
    let server = serve(move |io| {
        let rooms = io.of_dynamic(|name, _| name.starts_with("/room-")).add("/lobby");
        rooms.on("join", |socket, room: String, ack| {
            socket.join(&room);
            ack.send(socket, ());
        });
        made.send(rooms.children()).unwrap();
        io.of("/else");
    });
    let children = next_made();
    block_on(async {
        let mut client = server.open("", &[]).await;
        for namespace in ["/else", "/lobby", "/room-1", "/room-2"] {
            client.join(namespace, "").await;
        }
        children.emit("all", 1).await.unwrap();
        for namespace in ["/lobby", "/room-1", "/room-2"] {
            assert_eq!(client.receive().await, format!(r#"2{namespace},["all",1]"#));
        }
        client.send(r#"2/room-2,1["join","r"]"#).await;
        assert_eq!(client.receive().await, "3/room-2,1[]");
        children.clone().to("r").try_emit("some", 2).unwrap();
        children.except("r").emit("others", 3).await.unwrap();
        assert_eq!(client.receive().await, r#"2/room-2,["some",2]"#);
        assert_eq!(client.receive().await, r#"2/lobby,["others",3]"#);
    });
}

#[test]
fn clients_come_in_at_given_listeners_until_the_program_ends_the_server() {
    struct Engine;
    impl sprat::App for Engine {
        fn protocol(&self) -> sprat_core::app::Protocol {
            sprat_core::app::Protocol::EngineIo
        }
    }
    let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // Where the configuration says, nobody could listen.
    let config = Config { listen: vec!["192.0.2.1:1".parse().unwrap()], ..Config::default() };

    let listeners = vec![listen(), listen()];
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
    let (ready, mut next_ready) = report();
    let engine_config = config.clone();
    let running = std::thread::spawn(move || {
        let mut service = Service::new(Engine);
        let stopper = service.stopper();
        service.listen_on(listeners);
        service.on_ready(move |addresses| ready.send((addresses.to_vec(), stopper)).unwrap());
        service.run(&engine_config).unwrap();
    });
    let (told, stopper) = next_ready();
    assert_eq!(told, addresses);
    block_on(async {
        for address in addresses {
            Client::open(address, "/socket.io/", "", &[]).await;
        }
    });
    stopper.stop();
    running.join().unwrap();

    let listener = listen();
    let address = listener.local_addr().unwrap();
    let (ready, mut next_ready) = report();
    let running = std::thread::spawn(move || {
        let mut io = Io::new();
        io.listen_on(vec![listener]);
        ready.send(io.handle()).unwrap();
        io.run(config).unwrap();
    });
    let handle = next_ready();
    block_on(async { Client::open(address, "/socket.io/", "", &[]).await.join("/", "").await });
    handle.shut_down();
    running.join().unwrap();
}

#[test]
fn an_event_has_as_many_attachments_as_the_option_says() {
    let config = Config { max_attachments: 1, ..Config::default() };
    let server = serve_with(config, |io| {
        io.on("count", |socket, args: Args, ack| ack.send(socket, args.attachments().len()));
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"51-1["count",{"_placeholder":true,"num":0}]"#).await;
        client.attach(b"x").await;
        assert_eq!(client.receive().await, "31[1]");
        client.send(r#"52-1["count",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
        client.ended().await;
    });
}

#[test]
fn an_event_that_is_not_handled_can_be_acknowledged_all_the_same() {
    let server = serve(|io| {
        io.on("age", |_socket, _age: u8, _ack| unreachable!("no such age comes"));
        io.on_async("later", |_socket, _age: u8, _ack| async { unreachable!("no such age comes") });
        io.on("secret", |_socket, (), _ack| unreachable!("it is refused"));
        io.of("/").use_event(|_, event| match event.name() {
            "secret" => Err(Refusal::new("not you")),
            _ => Ok(()),
        });
        io.on_error(|socket, event, problem| {
            let kind = match problem {
                EventError::Args(_) => "args",
                EventError::Busy => "busy",
                EventError::Refused(_) => "refused",
            };
            let ack = event.ack();
            assert!(ack.is_wanted());
            ack.send(socket, json!({ "error": kind }));
        });
    });
    block_on(async {
        let mut client = server.join().await;
        assert_eq!(client.ask(r#"["age","old"]"#).await, r#"[{"error":"args"}]"#);
        assert_eq!(client.ask(r#"["later"]"#).await, r#"[{"error":"args"}]"#);
        assert_eq!(client.ask(r#"["secret"]"#).await, r#"[{"error":"refused"}]"#);
    });
}

#[test]
fn who_has_too_many_handlers_running_is_told_in_the_acknowledgement() {
    let (gate, opened) = async_channel::bounded::<()>(1);
    let server = serve(move |io| {
        io.on_async("wait", move |_socket, (), ack| {
            let opened = opened.clone();
            async move {
                assert!(opened.recv().await.is_err(), "it is only ever closed");
                ack.send("done").await.unwrap();
            }
        });
        io.on_error(|socket, event, problem| event.ack().send(socket, matches!(problem, EventError::Busy)));
    });
    block_on(async {
        let mut client = server.join().await;
        for _ in 0..256 {
            client.send(r#"21["wait"]"#).await;
        }
        assert_eq!(client.ask(r#"["wait"]"#).await, "[true]");
        drop(gate);
        for _ in 0..256 {
            assert_eq!(client.receive().await, r#"31["done"]"#);
        }
    });
}

#[test]
fn a_handler_for_one_event_gets_the_first_of_each_client() {
    let server = serve(|io| {
        io.once("name", |socket, name: String, ack| ack.send(socket, name));
    });
    block_on(async {
        for name in ["Ada", "Bo"] {
            let mut client = server.join().await;
            assert_eq!(client.ask(&format!(r#"["name","{name}"]"#)).await, format!(r#"["{name}"]"#));
            client.send(r#"21["name","Eve"]"#).await;
            server.handle.configure(|io| _ = io.on("last", |socket, (), ack| ack.send(socket, 1))).await.unwrap();
            assert_eq!(client.ask(r#"["last"]"#).await, "[1]");
        }
    });
}

#[test]
fn handlers_come_and_go_while_the_server_runs() {
    let (heard, mut next_heard) = report();
    let server = serve(|io| {
        io.on("question", |socket, (), ack| ack.send(socket, "old"));
    });
    block_on(async {
        let handle = &server.handle;
        let mut client = server.join().await;
        assert_eq!(client.ask(r#"["question"]"#).await, r#"["old"]"#);
        handle.configure(|io| _ = io.on("question", |socket, (), ack| ack.send(socket, "new"))).await.unwrap();
        assert_eq!(client.ask(r#"["question"]"#).await, r#"["new"]"#);
        handle
            .configure(|io| {
                assert!(io.off("question") && !io.off("question"));
                io.of("/late").on("question", |socket, (), ack| ack.send(socket, "late"));
                let handle = io.handle();
                io.spawn(async move { _ = handle.emit("gone", ()).await });
            })
            .await
            .unwrap();
        assert_eq!(client.receive().await, r#"2["gone"]"#);
        // Nobody answers it.
        client.send(r#"21["question"]"#).await;
        client.join("/late", "").await;
        client.send(r#"2/late,1["question"]"#).await;
        assert_eq!(client.receive().await, r#"3/late,1["late"]"#);

        let said = heard.clone();
        handle
            .try_configure(move |io| {
                let namespace = io.of("/late");
                let first = namespace.on_any(move |_, _| said.send("a").unwrap()).latest();
                namespace.on_error(move |_, _, _| ());
                assert!(namespace.remove(first.unwrap()) && !namespace.remove(first.unwrap()));
                heard.send("configured").unwrap();
            })
            .unwrap();
        assert_eq!(next_heard(), "configured");
    });
}

#[test]
fn catch_alls_are_put_in_front_and_taken_away() {
    let (heard, mut next_heard) = report();
    let server = serve(move |io| {
        let say = |word: &'static str| {
            let heard = heard.clone();
            move || heard.send(word).unwrap()
        };
        let (a, b, c, done) = (say("a"), say("b"), say("c"), say("done"));
        let namespace = io.of("/");
        let first = namespace.on_any(move |_, _| a()).latest().unwrap();
        namespace.prepend_any(move |_, _| b()).on_any(move |_, _| c());
        assert_eq!(namespace.listeners_any(), 3);
        namespace.on("next", move |socket, step: u8, _ack| {
            done();
            let handle = socket.to_ref().handle().clone();
            let change = move |io: &mut Io| match step {
                0 => assert!(io.of("/").remove(first)),
                _ => _ = io.of("/").off_any(),
            };
            handle.try_configure(change).unwrap();
            socket.emit("next", ());
        });
        let (x, y) = (say("x"), say("y"));
        let only = io.on_any_outgoing(move |_| x()).latest_outgoing().unwrap();
        io.prepend_any_outgoing(move |_| y());
        assert_eq!(io.listeners_any_outgoing(), 2);
        io.on("quiet", move |socket, (), ack| {
            socket
                .to_ref()
                .handle()
                .try_configure(move |io| {
                    assert!(io.remove_outgoing(only) && !io.remove_outgoing(only));
                    assert_eq!(io.off_any_outgoing().listeners_any_outgoing(), 0);
                })
                .unwrap();
            ack.send(socket, ());
        });
    });
    block_on(async {
        let mut client = server.join().await;
        for (step, expected) in
            [vec!["b", "a", "c", "done", "y", "x"], vec!["b", "c", "done", "y", "x"], vec!["done", "y", "x"]]
                .iter()
                .enumerate()
        {
            client.send(&format!(r#"2["next",{step}]"#)).await;
            for word in expected {
                assert_eq!(next_heard(), *word);
            }
            assert_eq!(client.receive().await, r#"2["next"]"#);
            // Whatever was to be changed is.
            server.handle.count().await.unwrap();
        }
        client.ask(r#"["quiet"]"#).await;
        server.handle.count().await.unwrap();
        client.send(r#"2["next",2]"#).await;
        assert_eq!(next_heard(), "done");
        assert_eq!(client.receive().await, r#"2["next"]"#);
    });
}

#[test]
fn who_leaves_is_known_by_its_handshake_to_the_end_with_what_it_did_wrong() {
    for recovery_timeout in [Duration::ZERO, Duration::from_secs(60)] {
        let (told, mut next_told) = report();
        let config = Config { recovery_timeout, max_payload_bytes: 100, ..Config::default() };
        let server = serve_with(config, move |io| {
            let say = move |socket: &mut sprat::Socket<'_>, reason: CloseReason| {
                let name = socket.handshake().query("name");
                told.send((name, reason, socket.problem())).unwrap();
            };
            io.on_disconnecting(say.clone());
            io.on_disconnect(say);
        });
        block_on(async {
            let long = format!(r#"2["{}"]"#, "x".repeat(100));
            for (packet, reason, problem) in [
                (r#"2["x"#, CloseReason::ForcedClose, Some(PeerError::Json)),
                (long.as_str(), CloseReason::TransportError, Some(PeerError::TooLarge)),
                ("1", CloseReason::ClientNamespaceDisconnect, None),
            ] {
                let mut client = server.open("&name=Ada", &[]).await;
                client.join("/", "").await;
                client.send(packet).await;
                for _ in 0..2 {
                    assert_eq!(next_told(), (Some("Ada".to_owned()), reason, problem));
                }
            }
        });
    }
}

#[test]
fn middlewares_are_asked_about_clients_that_come_back_if_the_application_wants_it() {
    let (left, mut next_left) = report();
    let config = Config { recovery_timeout: Duration::from_secs(60), ..Config::default() };
    let server = serve_with(config, move |io: &mut Io| {
        io.skip_middlewares(false);
        io.use_connect(|socket| match (socket.handshake().query("token"), socket.data::<u8>()) {
            (None, Some(7)) => Err(Refusal::new("no token")),
            _ => Ok(()),
        });
        io.on_connection(|socket| {
            let was_here = socket.is_recovered();
            socket.set_data(7_u8);
            socket.emit("here", was_here);
        });
        io.of("/slow").use_connect_async(|_| async { Ok(()) });
        io.of("/slow").on_connection(|socket| socket.emit("here", socket.is_recovered()));
        for name in ["/", "/slow"] {
            let left = left.clone();
            io.of(name).on_disconnect(move |_, _| left.send(()).unwrap());
        }
    });
    block_on(async {
        for (prefix, refused, recovered) in [("", true, "true"), ("/slow,", false, "false")] {
            let mut client = server.open("", &[]).await;
            client.send(&format!("0{prefix}")).await;
            let answer: Value = serde_json::from_str(&client.receive().await[1 + prefix.len()..]).unwrap();
            let here = client.receive().await;
            let offset =
                here.strip_prefix(&format!(r#"2{prefix}["here",false,""#)).unwrap().strip_suffix("\"]").unwrap();
            drop(client);
            next_left();

            let connect = format!("0{prefix}{}", json!({ "pid": answer["pid"], "offset": offset }));
            if refused {
                let mut client = server.open("", &[]).await;
                client.send(&connect).await;
                assert_eq!(client.receive().await, r#"4{"message":"no token"}"#);
            }
            let mut client = server.open("&token=1", &[]).await;
            client.send(&connect).await;
            let back: Value = serde_json::from_str(&client.receive().await[1 + prefix.len()..]).unwrap();
            assert_eq!(back["sid"] == answer["sid"], refused, "{prefix}");
            let here = client.receive().await;
            assert!(here.starts_with(&format!(r#"2{prefix}["here",{recovered},"#)), "{here}");
            // It leaves at the end of this turn.
            client.send(&format!("1{prefix}")).await;
            next_left();
        }
    });
}

//! What clients of the official server have come to expect: behaviours that its own tests hold it to, seen from outside.

use core::cell::RefCell;
use core::time::Duration;
use std::rc::Rc;

use smol::block_on;
use sprat::{AckError, Args, Binary, Refusal};

use crate::client::serve;
use crate::report;

#[test]
fn middlewares_run_in_order_and_none_after_a_refusal() {
    let server = serve(|io| {
        io.use_connect(|_| unreachable!("nobody joins this namespace"));
        let seen = Rc::new(RefCell::new(Vec::new()));
        let chat = io.of("/chat");
        for number in 1..=3 {
            let seen = Rc::clone(&seen);
            chat.use_connect(move |socket| {
                seen.borrow_mut().push(number);
                let turned_away = number == 2 && socket.handshake().query("refused").is_some();
                if turned_away { Err(Refusal::new("not you")) } else { Ok(()) }
            });
        }
        chat.on_connection(move |socket| socket.emit("seen", (seen.take(),)));
    });
    block_on(async {
        let mut refused = server.open("&refused", &[]).await;
        refused.send("0/chat,").await;
        assert_eq!(refused.receive().await, r#"4/chat,{"message":"not you"}"#);
        let mut client = server.open("", &[]).await;
        client.join("/chat", "").await;
        assert_eq!(client.receive().await, r#"2/chat,["seen",[1,2,1,2,3]]"#);
    });
}

#[test]
fn who_is_refused_or_sent_away_is_in_no_room() {
    let server = serve(|io| {
        io.use_connect(|socket| {
            socket.join("waiting");
            if socket.handshake().query("refused").is_some() { Err(Refusal::new("nope")) } else { Ok(()) }
        });
        io.on("leave", |socket, (), _ack| {
            socket.disconnect(false);
            socket.join("late");
        });
    });
    block_on(async {
        let mut refused = server.open("&refused", &[]).await;
        refused.send("0").await;
        assert_eq!(refused.receive().await, r#"4{"message":"nope"}"#);
        let mut sent_away = server.join().await;
        assert_eq!(server.handle.to("waiting").count().await.unwrap(), 1);
        sent_away.send(r#"2["leave"]"#).await;
        assert_eq!(sent_away.receive().await, "1");
        for room in ["waiting", "late"] {
            assert_eq!(server.handle.to(room).count().await.unwrap(), 0, "{room}");
        }
    });
}

#[test]
fn middlewares_put_clients_into_rooms_that_they_are_in_once_they_are_let_in() {
    let server = serve(|io| {
        let slow = io.of("/slow");
        slow.use_connect(|socket| {
            socket.join("left again");
            socket.join("at once");
            socket.leave("left again");
            Ok(())
        });
        slow.use_connect_async(|socket| async move {
            socket.join("later").await.map_err(|problem| Refusal::new(problem.to_string()))
        });
        slow.on_connection(|socket| {
            let rooms: Vec<String> = socket.rooms().drain(1..).collect();
            socket.emit("rooms", (rooms,));
        });
    });
    block_on(async {
        let mut client = server.open("", &[]).await;
        client.join("/slow", "").await;
        let rooms = client.receive().await;
        assert!(rooms.contains("at once") && rooms.contains("later") && !rooms.contains("left again"), "{rooms}");
        for room in ["at once", "later"] {
            server.handle.of("/slow").to(room).emit("heard", room).await.unwrap();
            assert_eq!(client.receive().await, format!(r#"2/slow,["heard","{room}"]"#));
        }
    });
}

#[test]
fn of_volatile_events_in_a_row_the_first_is_sent_and_none_behind_another_event() {
    let server = serve(|io| {
        io.on("twice", |socket, (), _ack| {
            socket.volatile().emit("v", 1);
            socket.volatile().emit("v", 2);
        });
        io.on("twice, binary", |socket, (), _ack| {
            socket.volatile().emit("v", Binary::from(&[1][..]));
            socket.volatile().emit("v", Binary::from(&[2][..]));
        });
        io.on("to everybody", |socket, (), _ack| {
            socket.everybody().volatile().emit("v", Binary::from(&[1][..]));
            socket.everybody().volatile().emit("v", Binary::from(&[2][..]));
        });
        io.on("between", |socket, (), _ack| {
            socket.emit("e", 1);
            socket.volatile().emit("v", 2);
            socket.emit("e", 3);
        });
        io.on("end", |socket, (), ack| ack.send(socket, ()));
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"2["twice"]"#).await;
        assert_eq!(client.receive().await, r#"2["v",1]"#);
        for event in ["twice, binary", "to everybody"] {
            client.send(&format!(r#"2["{event}"]"#)).await;
            assert_eq!(client.receive().await, r#"51-["v",{"_placeholder":true,"num":0}]"#);
            assert_eq!(client.attachment().await, [1]);
        }
        client.send(r#"2["between"]"#).await;
        assert_eq!([client.receive().await, client.receive().await], [r#"2["e",1]"#, r#"2["e",3]"#]);
        assert_eq!(client.ask(r#"["end"]"#).await, "[]", "and nothing more came before");
    });
}

#[test]
fn an_answer_that_is_wanted_at_once_is_too_late_when_it_comes() {
    let (sender, mut told) = report();
    let server = serve(move |io| {
        io.on("ask me", move |socket, (), _ack| {
            let sender = sender.clone();
            socket.emit_with_ack("now?", (), Some(Duration::ZERO), move |_, answer: Result<Args, AckError>| {
                sender.send(answer.is_err()).unwrap();
            });
        });
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"2["ask me"]"#).await;
        let question = client.receive().await;
        assert!(told());
        // It changes nothing any more, and ends nothing.
        client.send(&format!("3{}[]", question.trim_start_matches('2').split('[').next().unwrap())).await;
        client.send(r#"2["ask me"]"#).await;
        assert!(client.receive().await.contains("now?"));
    });
}

#[test]
fn large_values_go_to_and_fro() {
    let server = serve(|io| {
        io.on_raw("big", |socket, event| socket.emit_payload("big", event.payload()));
    });
    let numbers: Vec<String> = (0..100_000).map(|n| format!("{{\"n\":{n}}}")).collect();
    let text = format!(r#"2["big",{{"json":[{}]}}]"#, numbers[..60_000].join(","));
    assert!(text.len() > 700_000 && text.len() < 1_000_000);
    static IMAGE: [u8; 900_000] = [0x1E; 900_000];
    let image = r#"51-["big",{"image":{"_placeholder":true,"num":0}}]"#;
    block_on(async {
        let mut client = server.join().await;
        for _ in 0..3 {
            client.send(&text).await;
            assert_eq!(client.receive().await, text);
            client.send(image).await;
            client.attach(&IMAGE).await;
            assert_eq!(client.receive().await, image);
            assert_eq!(client.attachment().await, IMAGE);
        }
    });
}

//! The examples, each as its page uses it.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(clippy::duplicate_mod, reason = "each example is a program of its own, with what they share")]

#[path = "../io/client.rs"]
mod client;

#[path = "../../examples/chat_rooms.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod chat_rooms;
#[path = "../../examples/dashboard.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod dashboard;
#[path = "../../examples/delivery.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod delivery;
#[path = "../../examples/engine_echo.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod engine_echo;
#[path = "../../examples/picture.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod picture;
#[path = "../../examples/private_messages.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod private_messages;
#[path = "../../examples/protocol_suite.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod protocol_suite;

use core::time::Duration;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use client::{Client, Running, serve};
use smol::block_on;

#[test]
fn chat_rooms_members_read_each_other_and_nobody_else_does() {
    let server = serve(chat_rooms::chat_rooms);
    block_on(async {
        let mut ada = server.open("&name=Ada", &[]).await;
        ada.join("/", "").await;
        let mut bob = server.open("&name=Bob", &[]).await;
        bob.join("/", "").await;
        let mut eve = server.join().await;
        assert_eq!(ada.ask(r#"["join","red"]"#).await, "[1]");
        bob.send(r#"2["join","red"]"#).await;
        assert_eq!(ada.receive().await, r#"2["joined","red","Bob"]"#);
        assert_eq!(eve.ask(r#"["say","red","hi"]"#).await, "[false]");
        ada.send(r#"2["say","red","hi"]"#).await;
        let said = r#"2["said",{"room":"red","name":"Ada","text":"hi"}]"#;
        assert_eq!((ada.receive().await.as_str(), bob.receive().await.as_str()), (said, said));
        drop(bob);
        assert_eq!(ada.receive().await, r#"2["left","red","Bob"]"#);
        assert_eq!(eve.ask(r#"["join","blue"]"#).await, "[1]", "nothing of all that came here");
    });
}

#[test]
fn private_messages_reach_all_tabs_of_one_person() {
    let server = serve(private_messages::private_messages);
    block_on(async {
        let mut nobody = server.open("", &[]).await;
        nobody.send(r#"0{"name":""}"#).await;
        assert_eq!(nobody.receive().await, r#"4{"message":"a name of 1 to 30 characters is needed"}"#);
        let mut ada = person(&server, "Ada").await;
        assert_eq!(ada.receive().await, r#"2["people",["Ada"]]"#);
        let mut bob = person(&server, "Bob").await;
        assert_eq!(bob.receive().await, r#"2["people",["Ada","Bob"]]"#);
        assert_eq!(ada.receive().await, r#"2["came","Bob"]"#);
        let mut tab = person(&server, "Bob").await;
        assert_eq!(tab.receive().await, r#"2["people",["Ada","Bob"]]"#);
        assert_eq!(ada.ask(r#"["private","Bob","psst"]"#).await, "[true]");
        for tab in [&mut bob, &mut tab] {
            assert_eq!(tab.receive().await, r#"2["private","Ada","psst"]"#);
        }
        assert_eq!(ada.ask(r#"["private","Eve","psst"]"#).await, "[false]");
        bob.send("1").await;
        tab.send("1").await;
        assert_eq!(ada.receive().await, r#"2["went","Bob"]"#);
    });
}

async fn person(server: &Running, name: &str) -> Client {
    let mut client = server.open("", &[]).await;
    client.join("/", &format!(r#"{{"name":"{name}"}}"#)).await;
    client
}

#[test]
fn delivery_is_tried_again_and_an_order_counts_once() {
    let server = serve(|io| delivery::delivery(io, Duration::from_millis(20)));
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"21["order",7,"soup"]"#).await;
        assert_eq!(client.receive().await, "31[1]");
        assert_eq!(client.receive().await, r#"20["served",7,"soup"]"#);
        // It is not acknowledged, so it comes again.
        assert_eq!(client.receive().await, r#"21["served",7,"soup"]"#);
        client.send("31[]").await;
        client.send(r#"22["order",7,"soup"]"#).await;
        client.send(r#"23["order",8,"fish"]"#).await;
        let mut received = Vec::new();
        while received.len() < 3 {
            let packet = client.receive().await;
            // An attempt that was under way may still come.
            if !packet.contains(r#"["served",7"#) {
                received.push(packet);
            }
        }
        assert_eq!(received[..2], ["32[1]", "33[2]"]);
        assert!(received[2].ends_with(r#"["served",8,"fish"]"#));
    });
}

#[test]
fn a_picture_is_shown_to_all_and_to_those_who_come_later() {
    let server = serve(picture::picture);
    block_on(async {
        let (mut ada, mut bob) = (server.join().await, server.join().await);
        ada.send(r#"51-1["picture","image/png",{"_placeholder":true,"num":0}]"#).await;
        ada.attach(b"\x89PNG").await;
        assert_eq!(ada.receive().await, "31[2]");
        let mut eve = server.join().await;
        for viewer in [&mut bob, &mut eve] {
            assert_eq!(viewer.receive().await, r#"51-["picture","image/png",{"_placeholder":true,"num":0}]"#);
            assert_eq!(viewer.attachment().await, b"\x89PNG");
        }
        ada.send(r#"51-1["picture","text/html",{"_placeholder":true,"num":0}]"#).await;
        ada.attach(b"<b>").await;
        assert_eq!(ada.receive().await, "31[0]");
    });
}

#[test]
fn the_dashboard_is_fed_from_a_thread() {
    let server = serve(|_| {});
    let (running, stopped) = channel();
    let handle = server.handle.clone();
    block_on(async {
        let mut client = server.join().await;
        let feed = std::thread::spawn(move || {
            dashboard::feed(&handle, &stopped, Duration::from_millis(1), || Some(0.5));
        });
        for _ in 0..3 {
            assert_eq!(client.receive().await, r#"2["reading",{"load":0.5,"clients":1}]"#);
        }
        drop(running);
        feed.join().unwrap();
    });
}

/// A server that only a signal ends, so it has a process of its own.
#[test]
#[ignore = "started by the next test as a process of its own"]
fn engine_echo_process() {
    let config = sprat::Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        path: "/engine.io".parse().unwrap(),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        ..sprat::Config::default()
    };
    sprat::serve(&config, engine_echo::Echo).unwrap();
}

#[test]
fn engine_echo_speaks_engine_io_alone() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--exact", "engine_echo_process"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().trim().strip_prefix("http://").map(str::to_owned)).unwrap();
    block_on(async {
        let address = address.trim_end_matches('/').parse().unwrap();
        let mut client = Client::open(address, "/engine.io/", "", &[]).await;
        for text in ["hello", "", "2[\"not\",\"socket.io\"]"] {
            client.send(text).await;
            assert_eq!(client.receive().await, text);
        }
        client.attach(&[0, 1, 255]).await;
        assert_eq!(client.attachment().await, [0, 1, 255]);
        assert_eq!(client.engine_packet().await, "2", "the heartbeat is quick");
        // It is not answered.
        client.ended().await;
    });
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn protocol_suite_says_again_what_it_is_told_and_how_clients_came() {
    let server = serve(protocol_suite::protocol_suite);
    block_on(async {
        let mut client = server.open("&x=1&x=2", &[("X-Test", "3")]).await;
        for (prefix, connect) in [("", r#"0{"token":"a"}"#), ("/custom,", r#"0/custom,{"token":"a"}"#)] {
            client.send(connect).await;
            assert!(client.receive().await.starts_with(&format!(r#"0{prefix}{{"sid":"#)));
            assert_eq!(client.receive().await, format!(r#"2{prefix}["auth",{{"token":"a"}}]"#));
            client.send(&format!(r#"2{prefix}["message",1,"2",{{"3":[true,null]}}]"#)).await;
            assert_eq!(client.receive().await, format!(r#"2{prefix}["message-back",1,"2",{{"3":[true,null]}}]"#));
            client.send(&format!(r#"51-{prefix}0["message-with-ack",{{"_placeholder":true,"num":0}}]"#)).await;
            client.attach(b"bytes").await;
            assert_eq!(client.receive().await, format!(r#"61-{prefix}0[{{"_placeholder":true,"num":0}}]"#));
            assert_eq!(client.attachment().await, b"bytes");
            client.send(&format!(r#"2{prefix}9["handshake"]"#)).await;
            let answer = client.receive().await;
            let handshake = answer.strip_prefix(&format!("3{prefix}9")).unwrap();
            let handshake = &serde_json::from_str::<sprat::Value>(handshake).unwrap()[0];
            assert_eq!((&handshake["query"]["x"], &handshake["headers"]["x-test"]), (&"2".into(), &"3".into()));
            assert_eq!((&handshake["address"], &handshake["secure"]), (&"127.0.0.1".into(), &false.into()));
            assert!(handshake["issued"].as_i64().unwrap() > 0 && handshake["url"].as_str().unwrap().contains("x=1"));
        }
        client.send("0/refused,").await;
        assert_eq!(client.receive().await, r#"4/refused,{"message":"not allowed","data":{"code":1}}"#);
    });
}

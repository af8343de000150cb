//! rust_socketio against a server that keeps the contract at the top of `tests/js/oracle/server.mjs` (`SPRAT_ORACLE`) and one
//! with the chat (`SPRAT_CHAT`): over polling, over WebSocket, and over the one upgraded to the other.
//!
//! What this client cannot do, and is not asked here: acknowledge an event, and get more than the first attachment of one. An
//! event without arguments it takes for one called `message`.

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(10);

/// Tests run at the same time: each has rooms of its own.
static ROOMS: AtomicU32 = AtomicU32::new(0);

/// A connected client and what it heard, in order.
struct Heard {
    socket: Client,
    events: Receiver<(String, Payload)>,
}

impl Heard {
    fn connect(url: &str, transport: TransportType, namespace: &str, auth: Value) -> Self {
        let heard = Self::open(url, transport, namespace, auth);
        heard.take("connect");
        heard
    }

    /// Connects without waiting for the server's answer.
    fn open(url: &str, transport: TransportType, namespace: &str, auth: Value) -> Self {
        let (sender, events) = channel();
        let (connects, errors, closes) = (sender.clone(), sender.clone(), sender.clone());
        let note = |sender: std::sync::mpsc::Sender<(String, Payload)>, name: &'static str| {
            // A test that is over listens no more.
            move |payload: Payload, _| drop(sender.send((name.to_owned(), payload)))
        };
        let socket = ClientBuilder::new(url)
            .namespace(namespace)
            .auth(auth)
            .transport_type(transport)
            .reconnect(false)
            .on(Event::Connect, note(connects, "connect"))
            .on(Event::Error, note(errors, "error"))
            .on(Event::Close, note(closes, "close"))
            .on_any(move |event, payload, _| drop(sender.send((event.as_str().to_owned(), payload))))
            .connect()
            .expect("the server is there");
        Self { socket, events }
    }

    /// The next event of that name; those before it are passed over.
    fn take(&self, name: &str) -> Payload {
        let mut others = Vec::new();
        loop {
            match self.events.recv_timeout(WAIT) {
                Ok((event, payload)) if event == name => return payload,
                Ok(other) => others.push(other),
                Err(_) => panic!("no {name}, only {others:?}"),
            }
        }
    }

    /// Its arguments.
    fn values(&self, name: &str) -> Vec<Value> {
        values(self.take(name))
    }

    /// Emits and gives what the server acknowledges with.
    fn ask(&self, event: &str, arguments: impl Into<Payload>) -> Payload {
        let (sender, answers) = channel();
        self.socket
            .emit_with_ack(event, arguments, WAIT, move |answer, _| drop(sender.send(answer)))
            .expect("connected");
        answers.recv_timeout(WAIT).expect("an acknowledgement")
    }

    /// Joins a room of the server with the oracle's contract.
    fn join(&self, room: &str) {
        self.ask("join", room);
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.socket.disconnect();
    }
}

fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        other => panic!("text expected, not {other:?}"),
    }
}

/// An acknowledgement's arguments: this client gives them as one array.
fn answer(payload: Payload) -> Value {
    let mut values = values(payload);
    assert_eq!(values.len(), 1, "{values:?}");
    values.remove(0)
}

fn url(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} says where the server is"))
}

fn oracle(transport: TransportType) -> Heard {
    Heard::connect(&url("SPRAT_ORACLE"), transport, "/", json!({}))
}

fn users_of_the_chat_hear_each_other(transport: TransportType) {
    let chat = url("SPRAT_CHAT");
    let ann = Heard::connect(&chat, transport.clone(), "/", json!({ "name": "Ann" }));
    let hello = ann.values("hello").remove(0);
    assert_eq!(hello["name"], "Ann");
    let bob = Heard::connect(&chat, transport, "/", json!({ "name": "Bob" }));
    let bob_id = bob.values("hello").remove(0)["id"].clone();
    while ann.values("online")[0]["id"] != bob_id {}

    let text = format!("hello {bob_id}");
    let said = answer(ann.ask("message", json!({ "text": text })));
    assert!(said[0]["id"].is_string(), "{said}");
    loop {
        let message = bob.values("message").remove(0);
        if message["id"] == said[0]["id"] {
            assert_eq!((&message["text"], &message["from"]), (&json!(text), &hello["id"]));
            break;
        }
    }
    drop(bob);
    while ann.values("offline")[0]["id"] != bob_id {}
}

fn arguments_of_all_kinds_come_back(transport: TransportType) {
    let client = oracle(transport);
    let sent =
        vec![json!(1), json!(-0.5), json!(null), json!("聊天 😀 \"\\\u{0}"), json!([[], {}]), json!({ "": [true] })];
    assert_eq!(answer(client.ask("echo", sent.clone())), json!(sent));
    client.socket.emit("back", sent.clone()).expect("connected");
    assert_eq!(client.values("back"), sent);
}

fn bytes_come_back(transport: TransportType) {
    let client = oracle(transport);
    // Over WebSocket this client cuts bytes at 0x1E, as if they were a body of polling.
    let bytes: Vec<u8> = (0..=255).filter(|byte| *byte != 0x1E).collect();
    client.socket.emit("back", bytes.clone()).expect("connected");
    match client.take("back") {
        Payload::Binary(back) => assert_eq!(&back[..], &bytes[..]),
        other => panic!("bytes expected, not {other:?}"),
    }
}

fn a_room_hears_what_is_for_it_once(transport: TransportType) {
    let [one, two, three] = [(); 3].map(|()| oracle(transport.clone()));
    let number = ROOMS.fetch_add(1, Ordering::Relaxed);
    let [red, blue] = ["red", "blue"].map(|colour| format!("{colour} {number}"));
    two.join(&red);
    two.join(&blue);
    three.join(&blue);
    one.socket.emit("room", vec![json!(red), json!(1)]).expect("connected");
    one.socket.emit("rooms", vec![json!(red), json!(blue)]).expect("connected");
    one.socket.emit("room", vec![json!(blue), json!(2)]).expect("connected");
    assert_eq!(two.values("room")[0], 1);
    assert_eq!(two.values("room")[0], 2);
    assert_eq!(three.values("room")[0], 2, "what was for the other room did not come");
    two.ask("leave", blue.as_str());
    one.socket.emit("room", vec![json!(blue), json!(3)]).expect("connected");
    one.socket.emit("room", vec![json!(red), json!(4)]).expect("connected");
    assert_eq!(two.values("room")[0], 4);
    assert_eq!(three.values("room")[0], 3);
}

fn a_namespace_gets_the_auth(transport: TransportType) {
    let auth = json!({ "token": [1, "é"] });
    let client = Heard::connect(&url("SPRAT_ORACLE"), transport, "/custom", auth.clone());
    assert_eq!(client.values("auth"), [auth]);
}

fn a_refusal_has_its_message_and_data(transport: TransportType) {
    for (namespace, refusal) in [
        ("/guarded", r#"{"message":"not authorized","data":{"code":1}}"#),
        ("/nowhere", r#"{"message":"Invalid namespace"}"#),
    ] {
        let client = Heard::open(&url("SPRAT_ORACLE"), transport.clone(), namespace, json!({}));
        let error = format!("{:?}", client.values("error"));
        let refusal: Value = serde_json::from_str(refusal).expect("JSON");
        let told = ["message", "data"].iter().filter_map(|member| refusal.get(member));
        for member in told {
            let text = member.to_string();
            assert!(error.contains(&text) || error.contains(&text.replace('"', "\\\"")), "{error} has no {text}");
        }
    }
    Heard::connect(&url("SPRAT_ORACLE"), transport, "/guarded", json!({ "token": 1 }));
}

fn a_thousand_events_each_way_arrive_once_and_in_order(transport: TransportType) {
    let client = oracle(transport);
    for n in 0..1_000 {
        client.socket.emit("back", json!(n)).expect("connected");
    }
    client.socket.emit("count", json!(1_000)).expect("connected");
    for name in ["back", "n"] {
        let numbers: Vec<Value> = (0..1_000).map(|_| client.values(name).remove(0)).collect();
        assert_eq!(numbers, (0..1_000).map(|n| json!(n)).collect::<Vec<_>>(), "{name}");
    }
}

fn the_server_sends_a_client_away(transport: TransportType) {
    let client = oracle(transport);
    client.socket.emit("bye", json!(null)).expect("connected");
    client.take("close");
}

macro_rules! over {
    ($($transport:ident: $kind:expr,)*) => {
        $(over! { $transport: $kind;
            users_of_the_chat_hear_each_other
            arguments_of_all_kinds_come_back
            bytes_come_back
            a_room_hears_what_is_for_it_once
            a_namespace_gets_the_auth
            a_refusal_has_its_message_and_data
            a_thousand_events_each_way_arrive_once_and_in_order
            the_server_sends_a_client_away
        })*
    };
    ($transport:ident: $kind:expr; $($test:ident)*) => {
        mod $transport {
            use super::TransportType;

            $(#[test]
            fn $test() {
                super::$test($kind);
            })*
        }
    };
}

over! {
    polling: TransportType::Polling,
    websocket: TransportType::Websocket,
    upgrade: TransportType::WebsocketUpgrade,
}

//! The chat, event by event.

use serde_json::{Value, json};
use sprat_core::chat::{Chat, ChatLimits, ChatMemory};
use sprat_core::{Limits, Payload, Target};
use sprat_tests::memory::{self, Memory};
use sprat_tests::{Client, Frame, Link, Plan, World};

type Room = World<Chat<'static>, Memory>;

const START: &str = "2026-11-24T16:50:37.123Z";

fn room() -> Room {
    limited(ChatLimits::default())
}

fn limited(limits: ChatLimits) -> Room {
    World::new(chat(limits))
}

fn chat(limits: ChatLimits) -> Chat<'static> {
    Chat::new(Box::leak(Box::new(ChatMemory::<20, 8, 40_960>::new())), limits)
}

/// The one argument of each event of this name.
fn told(room: &Room, client: Client, name: &str) -> Vec<Value> {
    let args = room.client(client).args_of(name).into_iter();
    args.flat_map(|args| serde_json::from_str::<Vec<Value>>(&format!("[{args}]")).expect("JSON values")).collect()
}

fn names(room: &Room, client: Client) -> Vec<String> {
    room.client(client).events.iter().map(|event| event.name.clone()).collect()
}

fn enter(room: &mut Room, plan: Plan, name: &str) -> Client {
    let client = room.start(plan, Some(&json!({ "name": name }).to_string()));
    room.settle();
    assert!(room.client(client).is_connected(), "{:?}", room.client(client));
    client
}

fn id(room: &Room, client: Client) -> String {
    room.client(client).id().into()
}

fn ask(room: &mut Room, client: Client, event: &str, arg: &Value) -> Value {
    let args = room.call(client, &format!("{},{arg}", json!(event)));
    serde_json::from_str(&args).expect("one JSON value")
}

#[test]
fn who_comes_in_is_greeted_and_everybody_else_is_told() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let ann_id = id(&room, ann);
    let hello = json!({
        "id": ann_id, "name": "Ann", "time": START, "count": 1, "limits": {"name_chars": 32, "text_chars": 2_000},
        "users": [{"id": ann_id, "name": "Ann"}],
    });
    assert_eq!(told(&room, ann, "hello"), [hello]);
    room.run(1_000);
    let bob = enter(&mut room, Plan::Polling, "Bob");
    let bob_id = id(&room, bob);
    let time = "2026-11-24T16:50:38.123Z";
    assert_eq!(told(&room, ann, "online"), [json!({"id": bob_id, "name": "Bob", "time": time, "count": 2})]);
    assert_eq!(names(&room, bob), ["hello"]);
    let hello = &told(&room, bob, "hello")[0];
    assert_eq!((&hello["count"], &hello["time"]), (&json!(2), &json!(time)));
    let mut users: Vec<&str> =
        hello["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, ["Ann", "Bob"]);
}

#[test]
fn who_leaves_is_announced_to_those_who_stay() {
    for quietly in [false, true] {
        let mut room = room();
        let ann = enter(&mut room, Plan::WebSocket, "Ann");
        let bob = enter(&mut room, Plan::Upgrade, "Bob");
        let bob_id = id(&room, bob);
        if quietly {
            room.vanish(bob);
        } else {
            room.leave(bob);
        }
        room.settle();
        assert_eq!(told(&room, ann, "offline"), [json!({"id": bob_id, "name": "Bob", "time": START, "count": 1})]);
        assert_eq!(names(&room, ann), ["hello", "online", "offline"]);
    }
}

#[test]
fn a_message_reaches_all_and_is_confirmed_before_its_sender_sees_it() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let bob = enter(&mut room, Plan::Polling, "Bob");
    let ann_id = id(&room, ann);
    let delivered = ask(&mut room, ann, "message", &json!({"text": "  hello\nyou "}));
    let message = json!({
        "id": delivered["id"], "from": ann_id, "name": "Ann", "text": "hello\nyou", "time": START
    });
    assert_eq!(delivered, json!({"id": message["id"], "time": START}));
    assert_eq!(told(&room, ann, "message"), core::slice::from_ref(&message));
    assert_eq!(told(&room, bob, "message"), [message]);

    let (line, _) = room.driver.connect_websocket();
    room.driver.all(line);
    room.driver.send_text(line, r#"427["message",{"text":"x"}]"#);
    let frames = room.driver.all(line);
    let Frame::Text(ack) = &frames[0] else { panic!("{frames:?}") };
    assert!(ack.starts_with("437[{"), "{ack}");
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_repeated_message_gets_the_first_answer_and_is_not_said_again() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let first = ask(&mut room, ann, "message", &json!({"text": "hello", "id": "abc-_9"}));
    room.run(5_000);
    // Also from another connection: the first one broke before the answer came.
    let again = enter(&mut room, Plan::WebSocket, "Ann");
    for client in [ann, again] {
        assert_eq!(ask(&mut room, client, "message", &json!({"text": "hello", "id": "abc-_9"})), first);
    }
    assert_eq!(told(&room, ann, "message").len(), 1);
    let other = ask(&mut room, ann, "message", &json!({"text": "hello", "id": "abc-_8"}));
    assert_ne!(other["id"], first["id"]);
    assert_eq!(told(&room, ann, "message").len(), 2);
    // Only so many are noticed.
    for number in 0..8 {
        ask(&mut room, ann, "message", &json!({"text": "x", "id": number.to_string()}));
    }
    let forgotten = ask(&mut room, ann, "message", &json!({"text": "hello", "id": "abc-_9"}));
    assert_ne!(forgotten, first);
}

#[test]
fn ids_of_messages_are_all_different_even_after_a_restart() {
    let mut ids = std::collections::BTreeSet::new();
    for seed in 0..3 {
        let (limits, resources) = (ChatLimits::default(), memory::roomy(seed));
        let mut room = World::with(chat(limits), resources, Limits::default(), Link::INSTANT, seed);
        let ann = enter(&mut room, Plan::WebSocket, "Ann");
        for _ in 0..20 {
            let delivered = ask(&mut room, ann, "message", &json!({"text": "x"}));
            assert!(ids.insert(delivered["id"].as_str().unwrap().to_string()));
        }
    }
    assert_eq!(ids.len(), 60);
}

#[test]
fn wishes_that_cannot_be_granted_are_answered_with_the_reason() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    for (event, arg, error) in [
        ("message", json!("text"), "bad_request"),
        ("message", json!(null), "bad_request"),
        ("message", json!([]), "bad_request"),
        ("message", json!({}), "bad_request"),
        ("message", json!({"text": 1}), "bad_request"),
        ("message", json!({"text": null}), "bad_request"),
        ("message", json!({"text": {"text": "x"}}), "bad_request"),
        ("message", json!({"text": "x", "id": 1}), "bad_request"),
        ("message", json!({"text": "x", "id": ""}), "bad_request"),
        ("message", json!({"text": "x", "id": "a b"}), "bad_request"),
        ("message", json!({"text": "x", "id": "\u{e9}"}), "bad_request"),
        ("message", json!({"text": "x", "id": "x".repeat(37)}), "bad_request"),
        ("message", json!({"text": ""}), "empty"),
        ("message", json!({"text": " \n\t\u{a0}\u{2003} "}), "empty"),
        ("message", json!({"text": "x".repeat(2_001)}), "too_long"),
        ("message", json!({"text": "\u{1f600}".repeat(2_001)}), "too_long"),
        ("name", json!(1), "bad_request"),
        ("name", json!({"name": "x"}), "bad_request"),
        ("name", json!(null), "bad_request"),
        ("name", json!(""), "empty"),
        ("name", json!(" \u{202e}\u{7} "), "empty"),
        ("name", json!("x".repeat(33)), "too_long"),
        ("other", json!({"text": "x"}), "bad_request"),
    ] {
        assert_eq!(ask(&mut room, ann, event, &arg), json!({"error": error}), "{event} {arg}");
    }
    for list in [r#""message""#, r#""name""#, "1", r#""message","x",{"text":"x"}"#] {
        assert_eq!(room.call(ann, list), r#"{"error":"bad_request"}"#, "{list}");
    }
    assert_eq!(names(&room, ann), ["hello"]);
    // Without an acknowledgement nothing happens at all.
    room.emit(ann, r#""message",{"text":""}"#);
    room.settle();
    assert_eq!(names(&room, ann), ["hello"]);
}

#[test]
fn the_longest_text_is_delivered_whatever_it_is_made_of() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let texts = ["x", "\u{1f600}", "\"", "\\", "\u{1}", "\u{1e}", "<", "\u{20ac}"].map(|piece| piece.repeat(2_000));
    for text in &texts {
        let delivered = ask(&mut room, ann, "message", &json!({ "text": text }));
        assert_eq!(delivered.get("error"), None, "{:.5?}", text);
        assert_eq!(told(&room, ann, "message").last().unwrap()["text"], json!(text));
    }
}

#[test]
fn markup_and_anything_else_is_passed_on_as_it_was_written() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "<b>Ann</b>");
    let bob = enter(&mut room, Plan::Polling, "\"><img src=x onerror=alert(1)>");
    for text in [
        "<script>alert(1)</script>",
        "&lt;b&gt;",
        r#"","from":"somebody else","x":""#,
        "a\u{1e}b",
        "\\u003c \\n \\",
        "\u{202e}right to left\u{202c}",
        "line\r\nline\tline",
        "\u{0}nul",
        "${7*7} {{7*7}} %s",
    ] {
        ask(&mut room, ann, "message", &json!({ "text": text }));
        let message = told(&room, bob, "message").pop().unwrap();
        assert_eq!((&message["text"], &message["name"]), (&json!(text.trim()), &json!("<b>Ann</b>")));
    }
    // Escapes that JSON allows and nobody needs.
    room.emit(ann, r#""message",{"text":"\u0041\/\ud83d\ude00\ud800"}"#);
    room.settle();
    assert_eq!(told(&room, bob, "message").pop().unwrap()["text"], json!("A/\u{1f600}\u{fffd}"));
    assert_eq!(told(&room, ann, "online")[0]["name"], json!("\"><img src=x onerror=alert(1)>"));
}

#[test]
fn members_may_come_in_any_order_and_the_last_of_two_counts() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    for list in [
        r#""message",{"id":"a","x":{"text":"no"},"text":"yes"}"#,
        r#""message",{"text":"no","text":"yes","id":"b"}"#,
        r#""message", { "t\u0065xt" : "yes" , "id" : "c" } , 1"#,
    ] {
        room.call(ann, list);
        assert_eq!(told(&room, ann, "message").pop().unwrap()["text"], "yes", "{list}");
    }
}

#[test]
fn a_name_is_made_presentable() {
    for (wanted, expected) in [
        ("Ann", "Ann"),
        ("  Ann  Lee ", "Ann  Lee"),
        ("A\u{0}n\u{1b}[31mn\r\n", "An[31mn"),
        ("\u{202e}Ann\u{2066}\u{2069}\u{200f}", "Ann"),
        ("\u{1f600}\u{1f600}", "\u{1f600}\u{1f600}"),
        ("\u{feff}Zo\u{eb}", "Zo\u{eb}"),
    ] {
        let mut room = room();
        let ann = enter(&mut room, Plan::WebSocket, wanted);
        assert_eq!(told(&room, ann, "hello")[0]["name"], json!(expected), "{wanted:?}");
        let renamed = ask(&mut room, ann, "name", &json!(wanted));
        assert_eq!(renamed, json!({ "name": expected }), "{wanted:?}");
    }
}

#[test]
fn a_name_that_is_too_long_is_cut_at_the_door_and_refused_inside() {
    let mut room = room();
    for piece in ["x", "\u{1f600}"] {
        let ann = enter(&mut room, Plan::WebSocket, &piece.repeat(40));
        assert_eq!(told(&room, ann, "hello")[0]["name"], json!(piece.repeat(32)));
        assert_eq!(ask(&mut room, ann, "name", &json!(piece.repeat(33))), json!({"error": "too_long"}));
        assert_eq!(ask(&mut room, ann, "name", &json!(piece.repeat(32))), json!({"name": piece.repeat(32)}));
        assert_eq!(
            ask(&mut room, ann, "name", &json!(format!(" {} ", piece.repeat(32)))),
            json!({"name": piece.repeat(32)})
        );
    }
}

#[test]
fn who_brings_no_name_gets_one() {
    for auth in [None, Some("{}"), Some(r#"{"name":""}"#), Some(r#"{"name":5}"#), Some(r#"{"name":" \u0007"}"#)] {
        let mut room = room();
        let client = room.start(Plan::WebSocket, auth);
        room.settle();
        let hello = &told(&room, client, "hello")[0];
        let name = hello["name"].as_str().unwrap();
        assert!(name.starts_with("guest-") && name.len() == 11, "{auth:?}: {name}");
        assert_eq!(name, format!("guest-{}", &id(&room, client)[..5]));
    }
}

#[test]
fn a_new_name_is_told_to_all_and_used_from_then_on() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let bob = enter(&mut room, Plan::Polling, "Bob");
    let ann_id = id(&room, ann);
    ask(&mut room, ann, "message", &json!({"text": "before"}));
    assert_eq!(ask(&mut room, ann, "name", &json!("Anna")), json!({"name": "Anna"}));
    let expected = json!({"id": ann_id, "name": "Anna", "time": START});
    assert_eq!(told(&room, ann, "name"), core::slice::from_ref(&expected));
    assert_eq!(told(&room, bob, "name"), [expected]);
    room.emit(ann, r#""name","Anne""#);
    room.settle();
    assert_eq!(told(&room, bob, "name").len(), 2, "without an acknowledgement too");
    ask(&mut room, ann, "message", &json!({"text": "after"}));
    let said: Vec<_> = told(&room, bob, "message").iter().map(|message| message["name"].clone()).collect();
    assert_eq!(said, ["Ann", "Anne"]);
    let carl = enter(&mut room, Plan::WebSocket, "Carl");
    let users = told(&room, carl, "hello")[0]["users"].clone();
    assert!(users.as_array().unwrap().contains(&json!({"id": ann_id, "name": "Anne"})));
    room.leave(ann);
    room.settle();
    assert_eq!(told(&room, bob, "offline")[0]["name"], "Anne");
}

#[test]
fn who_comes_later_reads_what_was_said() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    for number in 0..25 {
        room.run(1_000);
        ask(&mut room, ann, "message", &json!({ "text": number.to_string() }));
    }
    let said = told(&room, ann, "message");
    for plan in [Plan::WebSocket, Plan::Polling, Plan::Upgrade] {
        let late = enter(&mut room, plan, "Late");
        assert_eq!(told(&room, late, "history"), said[5..], "the last 20, with the times they had");
        let events = names(&room, late);
        assert_eq!(events[..11], [&["hello"][..], &["history"; 10]].concat(), "a dozen events at most");
        assert!(!events[11..].contains(&"history".to_owned()));
    }
}

#[test]
fn history_is_bounded_in_bytes_and_what_is_larger_than_all_of_it_is_not_kept() {
    let mut room = limited(ChatLimits { history_bytes_max: 1_000, ..ChatLimits::default() });
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    for number in 0..10 {
        ask(&mut room, ann, "message", &json!({ "text": format!("{number}{}", "x".repeat(100)) }));
    }
    let kept = |room: &mut Room| {
        let late = enter(room, Plan::WebSocket, "Late");
        let history: Vec<String> =
            told(room, late, "history").iter().map(|said| said["text"].as_str().unwrap()[..1].into()).collect();
        room.leave(late);
        room.settle();
        history
    };
    assert_eq!(kept(&mut room), ["6", "7", "8", "9"]);
    let before = room.driver.frames_bytes();
    ask(&mut room, ann, "message", &json!({ "text": "y".repeat(1_500) }));
    assert_eq!(told(&room, ann, "message").len(), 11, "it was said all the same");
    assert_eq!(kept(&mut room), ["6", "7", "8", "9"]);
    assert_eq!(room.driver.frames_bytes(), before);
}

#[test]
fn a_server_without_a_clock_says_how_long_it_has_been_up() {
    let mut room = room();
    room.driver.wall_ms = None;
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let bob = enter(&mut room, Plan::WebSocket, "Bob");
    room.run(1_500);
    let delivered = ask(&mut room, ann, "message", &json!({"text": "x", "id": "a"}));
    assert_eq!((&delivered["time"], &delivered["uptime_ms"]), (&Value::Null, &json!(1_500)));
    ask(&mut room, ann, "name", &json!("Anna"));
    room.run(500);
    assert_eq!(ask(&mut room, ann, "message", &json!({"text": "x", "id": "a"})), delivered);
    let late = enter(&mut room, Plan::WebSocket, "Late");
    room.leave(bob);
    room.settle();
    for (client, event, uptime_ms) in [
        (ann, "hello", 0),
        (ann, "online", 0),
        (ann, "message", 1_500),
        (ann, "name", 1_500),
        (ann, "offline", 2_000),
        (late, "hello", 2_000),
        (late, "history", 1_500),
    ] {
        let told = &told(&room, client, event)[0];
        assert_eq!(told.get("time"), Some(&Value::Null), "{event}");
        assert_eq!(told["uptime_ms"], json!(uptime_ms), "{event}");
    }
}

#[test]
fn with_a_clock_there_is_no_uptime() {
    let mut room = room();
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    ask(&mut room, ann, "message", &json!({"text": "x", "time": "1999-01-01T00:00:00.000Z"}));
    for event in ["hello", "message"] {
        let told = &told(&room, ann, event)[0];
        assert_eq!((told.get("uptime_ms"), &told["time"]), (None, &json!(START)), "{event}");
    }
}

#[test]
fn a_full_house_is_counted_but_not_listed() {
    let mut room = limited(ChatLimits { users_shown_max: 3, ..ChatLimits::default() });
    for number in 0..10 {
        enter(&mut room, Plan::WebSocket, &format!("n{number}"));
    }
    let late = enter(&mut room, Plan::WebSocket, "Late");
    let hello = &told(&room, late, "hello")[0];
    assert_eq!(hello["count"], 11);
    let users = hello["users"].as_array().unwrap();
    assert_eq!(users.len(), 3);
    assert!(users.iter().any(|user| user["name"] == "Late"), "yourself included");
}

#[test]
fn names_that_do_not_fit_the_greeting_are_left_out_of_it() {
    let memory = Box::leak(Box::new(ChatMemory::<4, 4, 800>::new()));
    let mut room: Room = World::new(Chat::new(memory, ChatLimits { text_chars_max: 20, ..ChatLimits::default() }));
    for number in 0..30 {
        let client = enter(&mut room, Plan::WebSocket, &format!("{number}\u{1}\"{}", "\"".repeat(25)));
        let hello = &told(&room, client, "hello")[0];
        assert_eq!(hello["count"], json!(number + 1));
        assert!((1..=10).contains(&hello["users"].as_array().unwrap().len()));
    }
}

#[test]
fn a_chat_without_memory_says_busy_and_goes_on_when_there_is_some() {
    let resources = memory::sized::<8, 8, 4, 8, 64, 4, 32, 4_096, 0>(5);
    let mut room = World::with(
        chat(ChatLimits { history_bytes_max: 2_000, ..ChatLimits::default() }),
        resources,
        Limits::default(),
        Link::INSTANT,
        5,
    );
    let ann = enter(&mut room, Plan::WebSocket, "Ann");
    let hoard = room.enter(|_, context| {
        let mut hoard = Vec::new();
        while let Ok(prepared) = context.prepare("x", "1") {
            hoard.push(prepared);
        }
        hoard
    });
    assert!(hoard.len() > 10);
    // Not even that it is busy can be said.
    let id = room.ask(ann, r#""message",{"text":"x","id":"a"}"#);
    room.settle();
    assert_eq!(room.client(ann).acks, []);
    let mut hoard = hoard.into_iter();
    for prepared in hoard.by_ref().take(1) {
        room.enter(|_, context| context.discard(prepared));
    }
    assert_eq!(ask(&mut room, ann, "message", &json!({"text": "x", "id": "a"})), json!({"error": "busy"}));
    for prepared in hoard {
        room.enter(|_, context| context.discard(prepared));
    }
    let delivered = ask(&mut room, ann, "message", &json!({"text": "x", "id": "a"}));
    assert_eq!(delivered.get("error"), None);
    assert!(room.client(ann).acks.iter().all(|ack| ack.0 != id));
    assert_eq!(told(&room, ann, "message").len(), 1);
    room.enter(|_, context| context.emit(Target::all(), "still", Payload::default())).unwrap();
}

#[test]
fn over_a_slow_link_everybody_sees_the_same_messages_in_the_same_order() {
    for seed in 0..12 {
        let link = Link { delay_min_ms: 1, delay_max_ms: 150 };
        let mut room = World::with(chat(ChatLimits::default()), memory::roomy(seed), Limits::default(), link, seed);
        let plans = [Plan::WebSocket, Plan::Polling, Plan::Upgrade, Plan::Upgrade];
        let clients: Vec<Client> = plans.iter().map(|plan| room.start(*plan, None)).collect();
        room.settle();
        for round in 0..40 {
            for (at, client) in clients.iter().enumerate() {
                room.ask(*client, &format!(r#""message",{{"text":"{at} {round}","id":"{at}-{round}"}}"#));
            }
            room.run(35);
        }
        room.settle();
        let texts = |client: Client| -> Vec<String> {
            told(&room, client, "message").iter().map(|said| said["text"].as_str().unwrap().into()).collect()
        };
        let all = texts(clients[0]);
        assert_eq!(all.len(), 160, "seed {seed}");
        for (at, client) in clients.iter().enumerate() {
            assert_eq!(texts(*client), all, "seed {seed}");
            assert_eq!(room.client(*client).acks.len(), 40, "seed {seed}");
            let own: Vec<_> = all.iter().filter(|text| text.starts_with(&format!("{at} "))).collect();
            assert_eq!(
                own,
                (0..40).map(|round| format!("{at} {round}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
            );
        }
    }
}

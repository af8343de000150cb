//! Who gets in, and what those who do not are told (Engine.IO protocol, "Handshake").

use serde_json::{Value, json};
use sprat_core::Limits;
use sprat_core::wire::http;
use sprat_tests::driver::{head, sid_of, websocket_head};
use sprat_tests::{Answered, Bench, Body, memory};

const TRANSPORT: (u16, &str) = (400, r#"{"code":0,"message":"Transport unknown"}"#);
const SESSION: (u16, &str) = (400, r#"{"code":1,"message":"Session ID unknown"}"#);
const METHOD: (u16, &str) = (400, r#"{"code":2,"message":"Bad handshake method"}"#);
const REQUEST: (u16, &str) = (400, r#"{"code":3,"message":"Bad request"}"#);
const VERSION: (u16, &str) = (400, r#"{"code":5,"message":"Unsupported protocol version"}"#);

#[test]
fn each_error_has_its_code_and_the_first_check_that_fails_decides() {
    let mut bench = Bench::plain();
    for (method, query, expected) in [
        ("GET", "", TRANSPORT),
        ("GET", "EIO=4", TRANSPORT),
        ("GET", "EIO=4&transport=abc", TRANSPORT),
        ("GET", "EIO=4&transport=webtransport", TRANSPORT),
        ("GET", "EIO=4&transport=polling&transport=abc", TRANSPORT),
        ("POST", "EIO=3&transport=abc&sid=x", TRANSPORT),
        ("GET", "EIO=4&transport=polling&sid=abc", SESSION),
        ("GET", "EIO=4&transport=polling&sid=__proto__", SESSION),
        ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAA", SESSION),
        ("GET", "EIO=3&transport=polling&sid=abc", SESSION),
        ("POST", "EIO=4&transport=websocket&sid=abc", SESSION),
        ("POST", "EIO=4&transport=polling", METHOD),
        ("POST", "EIO=4&transport=polling&sid=", METHOD),
        ("POST", "transport=polling", METHOD),
        ("PUT", "EIO=4&transport=polling", METHOD),
        ("OPTIONS", "EIO=4&transport=polling", METHOD),
        ("POST", "EIO=4&transport=websocket", METHOD),
        ("GET", "EIO=4&transport=websocket", REQUEST),
        ("GET", "EIO=3&transport=websocket", REQUEST),
        ("GET", "transport=polling", VERSION),
        ("GET", "EIO=3&transport=polling", VERSION),
        ("GET", "EIO=5&transport=polling", VERSION),
        ("GET", "EIO=4x&transport=polling", VERSION),
        ("GET", "EIO=4&EIO=3&transport=polling", VERSION),
    ] {
        let exchange = bench.request(&head(method, &format!("/socket.io/?{query}"), &[]), Body::None);
        let expected = Answered::Http(expected.0, Some("application/json"), expected.1.into());
        assert_eq!(bench.answer(exchange), Some(&expected), "{method} {query}");
    }
    assert_eq!(bench.server().sessions(), 0);
}

#[test]
fn a_live_session_takes_no_other_version_or_transport() {
    let mut bench = Bench::plain();
    let sid = bench.open_polling();
    for query in ["EIO=3&transport=polling", "transport=polling", "EIO=4&transport=websocket"] {
        for method in ["GET", "POST"] {
            let exchange = bench.request(&head(method, &format!("/socket.io/?{query}&sid={sid}"), &[]), Body::None);
            assert_eq!(bench.http(exchange), (REQUEST.0, REQUEST.1.into()), "{method} {query}");
        }
    }
    let (_, sid) = bench.open_websocket();
    let exchange = bench.poll(&sid);
    assert_eq!(bench.http(exchange), (REQUEST.0, REQUEST.1.into()));
}

#[test]
fn an_origin_is_no_error_unless_it_has_control_characters_which_are_no_http_at_all() {
    let mut bench = Bench::plain();
    for origin in ["http://a", "http://a\tb", "null", "", "http://\u{e9}"] {
        let target = "/socket.io/?EIO=4&transport=polling";
        let exchange = bench.request(&head("GET", target, &[("Origin", origin)]), Body::None);
        assert_eq!(bench.http(exchange).0, 200, "{origin:?}");
    }
    for byte in (0..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
        let head = head("GET", "/socket.io/", &[("Origin", &format!("a{}b", char::from(byte)))]);
        assert!(!matches!(http::parse(head.as_bytes()), Ok(http::HeadStatus::Complete { .. })), "{byte}");
    }
}

#[test]
fn a_refused_websocket_is_told_in_plain_text() {
    let mut bench = Bench::plain();
    for (query, expected) in [
        ("EIO=4&transport=abc", "Transport unknown"),
        ("EIO=4&transport=websocket&sid=abc", "Session ID unknown"),
        ("EIO=3&transport=websocket", "Unsupported protocol version"),
    ] {
        let exchange = bench.request(&websocket_head(&format!("/socket.io/?{query}")), Body::None);
        assert_eq!(bench.answer(exchange), Some(&Answered::Http(400, Some("text/html"), expected.into())), "{query}");
    }
}

#[test]
fn open_says_what_the_client_must_know() {
    let mut bench = Bench::plain();
    let exchange = bench.get("/socket.io/?EIO=4&transport=polling&t=abc");
    let Some(Answered::Http(200, Some("text/plain; charset=UTF-8"), open)) = bench.answer(exchange) else {
        panic!("{:?}", bench.answer(exchange))
    };
    let sid = sid_of(open);
    assert_eq!(sid.len(), 20);
    let expected = |sid: &str, upgrades: Value| json!({"sid": sid, "upgrades": upgrades, "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000});
    let payload: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(payload, expected(&sid, json!(["websocket"])));

    let exchange = bench.upgrade("/socket.io/?EIO=4&transport=websocket");
    let line = bench.line(exchange);
    let open = bench.text(line);
    let other = sid_of(&open);
    assert_ne!(other, sid);
    let payload: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(payload, expected(&other, json!([])));
    assert_eq!(bench.all(line), []);
}

#[test]
fn a_query_is_read_as_url_search_params() {
    let mut bench = Bench::plain();
    for query in ["EIO=%34&transport=pol%6cing", "a=b&&EIO=3&EIO=4&transport=polling&sid=", "transport=polling&EIO=4&x"]
    {
        let exchange = bench.get(&format!("/socket.io/?{query}"));
        assert_eq!(bench.http(exchange).0, 200, "{query}");
    }
}

#[test]
fn polling_with_an_upgrade_header_is_a_websocket_that_is_closed_at_once() {
    let mut bench = Bench::plain();
    let sid = bench.open_polling();
    for query in ["EIO=4&transport=polling".into(), format!("EIO=4&transport=polling&sid={sid}")] {
        let exchange = bench.upgrade(&format!("/socket.io/?{query}"));
        assert_eq!(bench.answer(exchange), Some(&Answered::WebSocketClosed));
    }
    assert_eq!(bench.server().sessions(), 1);
    let poll = bench.poll(&sid);
    assert_eq!(bench.answer(poll), None);
}

#[test]
fn one_client_more_than_the_limit_is_told_to_come_back_later() {
    let mut bench = Bench::limited(Limits { clients_max: 2, ..Limits::default() });
    let (line, _) = bench.open_websocket();
    bench.open_polling();
    let body = r#"{"code":4,"message":"Too many clients"}"#;
    let polling = bench.get("/socket.io/?EIO=4&transport=polling");
    let websocket = bench.upgrade("/socket.io/?EIO=4&transport=websocket");
    for exchange in [polling, websocket] {
        let expected = Answered::Http(503, Some("application/json"), body.into());
        assert_eq!(bench.answer(exchange), Some(&expected));
    }
    assert_eq!(bench.server().sessions(), 2);
    bench.lose_line(line, sprat_core::CloseReason::TransportClose);
    bench.open_websocket();
}

#[test]
fn a_handshake_without_memory_for_its_packet_is_refused_and_leaves_nothing() {
    let resources = memory::sized::<4, 4, 4, 4, 4, 4, 4, 64, 0>(3);
    let mut bench = Bench::new(sprat_tests::Recorder::default(), resources, Limits::default());
    let exchange = bench.get("/socket.io/?EIO=4&transport=polling");
    assert_eq!(bench.http(exchange).0, 503);
    assert_eq!((bench.server().sessions(), bench.opened), (0, 0));
    assert!(bench.server().is_idle());
}

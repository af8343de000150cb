//! What is left out on purpose is refused so that everybody sees why (rows E21 to E23, T23 and H6 of the measured facts).

use sprat_core::wire::http::{self, HeadStatus};
use sprat_tests::driver::{head, websocket_head};
use sprat_tests::{Answered, Bench, Body};

#[test]
fn clients_of_socket_io_2_are_told_that_their_protocol_is_not_supported() {
    let mut bench = Bench::plain();
    let polling = bench.get("/socket.io/?EIO=3&transport=polling&t=abc");
    assert_eq!(bench.http(polling), (400, r#"{"code":5,"message":"Unsupported protocol version"}"#.into()));
    let websocket = bench.upgrade("/socket.io/?EIO=3&transport=websocket");
    let expected = Answered::Http(400, Some("text/html"), "Unsupported protocol version".into());
    assert_eq!(bench.answer(websocket), Some(&expected));
    assert_eq!((bench.server().sessions(), bench.opened), (0, 0));
}

#[test]
fn jsonp_is_answered_as_any_polling_is() {
    let mut bench = Bench::plain();
    let handshake = bench.get("/socket.io/?EIO=4&transport=polling&j=0");
    let Some(Answered::Http(200, Some("text/plain; charset=UTF-8"), open)) = bench.answer(handshake) else {
        panic!("{:?}", bench.answer(handshake))
    };
    assert!(open.starts_with("0{"), "{open}");
}

#[test]
fn jsonp_cannot_post_its_form() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    let post = bench.post(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}&j=0"), "d=42%5B%22echo%22%5D");
    assert_eq!(bench.http(post), (200, "ok".into()));
    assert_eq!(bench.http(poll), (200, "1".into()));
    assert_eq!(bench.reasons(), ["parse error"]);
}

#[test]
fn webtransport_is_an_unknown_transport() {
    let mut bench = Bench::plain();
    let sid = bench.open_polling();
    for query in ["EIO=4&transport=webtransport".to_owned(), format!("EIO=4&transport=webtransport&sid={sid}")] {
        let polling = bench.get(&format!("/socket.io/?{query}"));
        assert_eq!(bench.http(polling), (400, r#"{"code":0,"message":"Transport unknown"}"#.into()), "{query}");
        let websocket = bench.request(&websocket_head(&format!("/socket.io/?{query}")), Body::None);
        assert_eq!(bench.http(websocket), (400, "Transport unknown".into()), "{query}");
    }
}

#[test]
fn http_2_is_no_request() {
    for preface in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"GET /socket.io/ HTTP/2\r\nHost: a\r\n\r\n"] {
        assert!(!matches!(http::parse(preface), Ok(HeadStatus::Complete { .. } | HeadStatus::Partial)));
    }
    // Who only offers it gets HTTP/1.1.
    let offer = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")];
    let mut bench = Bench::plain();
    let handshake = bench.request(&head("GET", "/socket.io/?EIO=4&transport=polling", &offer), Body::None);
    assert_eq!(bench.http(handshake).0, 200);
}

//! GET and POST (Engine.IO protocol, "HTTP long-polling"; rows T1 to T8 and section 3 of the measured facts).

use sprat_core::Limits;
use sprat_tests::driver::head;
use sprat_tests::{Answered, Bench, Body, Call};

fn is_unknown(bench: &mut Bench, sid: &str) -> bool {
    let exchange = bench.poll(sid);
    bench.http(exchange) == (400, r#"{"code":1,"message":"Session ID unknown"}"#.into())
}

#[test]
fn a_poll_waits_until_there_is_something() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    assert_eq!(bench.answer(poll), None);
    bench.push(&sid, r#"42["echo",1]"#);
    let expected = Answered::Http(200, Some("text/plain; charset=UTF-8"), r#"42["echo",1]"#.into());
    assert_eq!(bench.answer(poll), Some(&expected));
}

#[test]
fn one_poll_gets_all_that_waits_in_order() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let post = bench.push(&sid, "42[\"echo\",1]\x1e42[\"echo\",2]\x1e427[\"echo\",3]");
    assert_eq!(bench.answer(post), Some(&Answered::Http(200, Some("text/html"), "ok".into())));
    assert_eq!(bench.pull(&sid), "42[\"echo\",1]\x1e42[\"echo\",2]\x1e437[3]");
    let poll = bench.poll(&sid);
    assert_eq!(bench.answer(poll), None);
}

#[test]
fn what_does_not_fit_into_one_body_comes_with_the_next() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.budget_bytes = 30;
    bench.push(&sid, "42[\"echo\",1]\x1e42[\"echo\",2]\x1e42[\"echo\",\"longer than the others\"]\x1e42[\"echo\",3]");
    assert_eq!(bench.pull(&sid), "42[\"echo\",1]\x1e42[\"echo\",2]");
    assert_eq!(bench.pull(&sid), "42[\"echo\",\"longer than the others\"]");
    assert_eq!(bench.pull(&sid), "42[\"echo\",3]");
}

#[test]
fn two_polls_at_once_end_the_session() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let (first, second) = (bench.poll(&sid), bench.poll(&sid));
    assert_eq!(bench.http(first), (200, "1".into()));
    assert_eq!(bench.answer(second), Some(&Answered::Http(400, None, String::new())));
    assert!(is_unknown(&mut bench, &sid));
    assert_eq!(bench.reasons(), ["transport error"]);
}

#[test]
fn two_posts_at_once_end_the_session_and_the_first_ones_connection() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let first = bench.request(&head("POST", &target, &[("Content-Length", "9")]), Body::Later);
    assert_eq!(bench.answer(first), None);
    let second = bench.push(&sid, "42[\"x\"]");
    assert_eq!(bench.answer(second), Some(&Answered::Http(400, None, String::new())));
    assert_eq!(bench.answer(first), Some(&Answered::Destroyed));
    assert_eq!(bench.http(poll), (200, "1".into()));
    assert!(is_unknown(&mut bench, &sid));
    assert_eq!(bench.reasons(), ["transport error"]);
}

#[test]
fn a_body_may_come_slowly_while_polls_go_on() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = bench.request(&head("POST", &target, &[("Content-Length", "12")]), Body::Later);
    let poll = bench.poll(&sid);
    bench.advance(5_000);
    bench.send_body(post, br#"42["echo",1]"#);
    assert_eq!(bench.http(post), (200, "ok".into()));
    assert_eq!(bench.http(poll), (200, r#"42["echo",1]"#.into()));
}

#[test]
fn an_aborted_poll_ends_the_session_even_if_another_follows() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    bench.lose_request(poll);
    assert!(is_unknown(&mut bench, &sid));
    assert_eq!(bench.reasons(), ["transport error"]);
    assert!(bench.server().is_idle());
}

#[test]
fn an_aborted_post_ends_the_session() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = bench.request(&head("POST", &target, &[("Content-Length", "12")]), Body::Later);
    bench.lose_request(post);
    assert!(is_unknown(&mut bench, &sid));
    assert_eq!(bench.reasons(), ["transport error"]);
}

#[test]
fn octet_stream_ends_the_session() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let headers = [("Content-Type", "application/octet-stream"), ("Content-Length", "3")];
    let post = bench.request(&head("POST", &target, &headers), Body::Ready(vec![1, 2, 3]));
    assert_eq!(bench.answer(post), Some(&Answered::Http(400, None, String::new())));
    assert!(is_unknown(&mut bench, &sid));
    assert_eq!(bench.reasons(), ["transport error"]);
}

#[test]
fn a_body_may_be_as_long_as_promised_and_not_one_byte_longer() {
    let mut bench = Bench::limited(Limits { payload_bytes_max: 1_000, ..Limits::default() });
    let (sid, _) = bench.connect_polling();
    let longest = format!(r#"42["echo","{}"]"#, "x".repeat(1_000 - 13));
    assert_eq!(longest.len(), 1_000);
    let post = bench.push(&sid, &longest);
    assert_eq!(bench.http(post), (200, "ok".into()));
    assert_eq!(bench.pull(&sid), longest);
    let too_long = format!("{longest} ");
    let post = bench.push(&sid, &too_long);
    assert_eq!(bench.answer(post), Some(&Answered::Http(413, None, String::new())));
    // Without a length it shows only when the body comes.
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let chunked = head("POST", &target, &[("Transfer-Encoding", "chunked")]);
    let post = bench.request(&chunked, Body::Ready(too_long.into_bytes()));
    assert_eq!(bench.answer(post), Some(&Answered::Http(413, None, String::new())));
    let post = bench.push(&sid, r#"42["echo",1]"#);
    assert_eq!(bench.http(post), (200, "ok".into()));
    assert_eq!(bench.pull(&sid), r#"42["echo",1]"#);
}

#[test]
fn a_body_may_have_two_thousand_packets() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.calls();
    let packets: Vec<String> = (0..2_000).map(|number| format!("42[\"n\",{number}]")).collect();
    let post = bench.push(&sid, packets.join("\x1e"));
    assert_eq!(bench.http(post), (200, "ok".into()));
    let numbers: Vec<usize> = bench
        .calls()
        .into_iter()
        .map(|call| if let Call::Event(_, _, args, ..) = call { args.parse().unwrap() } else { panic!("{call:?}") })
        .collect();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

#[test]
fn the_first_packet_that_cannot_be_decoded_ends_the_session_but_not_the_post() {
    for (body, delivered) in [
        (&b""[..], 0),
        (b"abc", 0),
        (b"42[\"n\"]\x1e9\x1e42[\"n\"]", 1),
        (b"42[\"n\"]\x1e", 1),
        (b"\x1e42[\"n\"]", 0),
        (b"42[\"\xff\"]", 0),
    ] {
        let mut bench = Bench::plain();
        let (sid, _) = bench.connect_polling();
        bench.calls();
        let poll = bench.poll(&sid);
        let post = bench.push(&sid, body);
        assert_eq!(bench.http(post), (200, "ok".into()), "{body:?}");
        assert_eq!(bench.http(poll), (200, "1".into()), "{body:?}");
        let events = bench.enter(|app, _| app.calls.iter().filter(|call| matches!(call, Call::Event(..))).count());
        assert_eq!(events, delivered, "{body:?}");
        assert_eq!(bench.reasons(), ["parse error"], "{body:?}");
        assert!(is_unknown(&mut bench, &sid), "{body:?}");
    }
}

#[test]
fn a_client_that_leaves_has_its_poll_answered() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let poll = bench.poll(&sid);
    let post = bench.push(&sid, "1");
    assert_eq!(bench.http(post), (200, "ok".into()));
    assert_eq!(bench.http(poll), (200, "6".into()));
    assert!(is_unknown(&mut bench, &sid));
    assert_eq!(bench.reasons(), ["transport close"]);
}

#[test]
fn a_ping_from_the_client_is_an_error_and_stray_packets_are_none() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.push(&sid, "0\x1e3\x1e5\x1e6\x1e42[\"echo\",1]");
    assert_eq!(bench.pull(&sid), r#"42["echo",1]"#);
    for packet in ["2", "2probe"] {
        let (sid, _) = bench.connect_polling();
        bench.push(&sid, packet);
        assert!(is_unknown(&mut bench, &sid));
        assert_eq!(bench.reasons(), ["transport error"]);
    }
}

#[test]
fn other_methods_are_errors_that_the_session_survives() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    for method in ["PUT", "DELETE", "HEAD", "OPTIONS"] {
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let exchange = bench.request(&head(method, &target, &[]), Body::None);
        assert_eq!(bench.answer(exchange), Some(&Answered::Http(500, None, String::new())), "{method}");
    }
    bench.push(&sid, r#"42["echo",1]"#);
    assert_eq!(bench.pull(&sid), r#"42["echo",1]"#);
}

#[test]
fn a_poll_waits_while_the_answer_to_another_is_on_its_way() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.slow_polls = true;
    bench.push(&sid, "42[\"echo\",1]\x1e42[\"echo\",2]");
    let first = bench.poll(&sid);
    bench.push(&sid, "42[\"echo\",3]");
    let second = bench.poll(&sid);
    assert_eq!((bench.answer(first), bench.answer(second)), (None, None));
    bench.finish_poll(first);
    assert_eq!(bench.http(first), (200, "42[\"echo\",1]\x1e42[\"echo\",2]".into()));
    bench.finish_poll(second);
    assert_eq!(bench.http(second), (200, "42[\"echo\",3]".into()));
    // A third at once is one too many.
    bench.push(&sid, "42[\"echo\",4]");
    let (_, parked, third) = (bench.poll(&sid), bench.poll(&sid), bench.poll(&sid));
    assert_eq!(bench.http(third).0, 400);
    assert_eq!(bench.http(parked), (200, "1".into()));
    assert_eq!(bench.reasons(), ["transport error"]);
}

#[test]
fn an_answer_that_is_lost_on_its_way_ends_the_session() {
    for polls_again in [false, true] {
        let mut bench = Bench::plain();
        let (sid, _) = bench.connect_polling();
        bench.slow_polls = true;
        bench.push(&sid, "42[\"echo\",1]");
        let poll = bench.poll(&sid);
        let again = polls_again.then(|| bench.poll(&sid));
        bench.lose_request(poll);
        assert_eq!(bench.reasons(), ["transport error"]);
        assert!(bench.server().is_idle());
        if let Some(again) = again {
            assert_eq!(bench.http(again), (200, "1".into()));
        }
        assert!(is_unknown(&mut bench, &sid));
    }
    let mut bench = Bench::plain();
    bench.slow_polls = true;
    let handshake = bench.get("/socket.io/?EIO=4&transport=polling");
    bench.lose_request(handshake);
    assert!(bench.server().is_idle());
}

#[test]
fn a_session_that_closes_while_an_answer_is_on_its_way_says_so_afterwards() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    bench.slow_polls = true;
    let socket = bench.newest();
    bench.enter(|_, context| context.disconnect(socket, true));
    let (first, second) = (bench.poll(&sid), bench.poll(&sid));
    assert_eq!(bench.answer(second), None);
    bench.finish_poll(first);
    assert_eq!(bench.http(first), (200, "41".into()));
    assert_eq!(bench.http(second), (200, "1".into()));
    assert!(bench.server().is_idle());
}

//! HTTP byte for byte, over loopback: what a connection is good for after an answer, bodies that nobody wants, what two
//! readers could understand differently, and hooks that take their time.

mod common;

use core::time::Duration;
use std::io::Read as _;

use common::{OPEN, Raw, Running, request, run};
use sprat::config::Limits;
use sprat::{Config, Hooks};

/// A server that takes bodies of 100,000 bytes and answers `much` with a long text.
fn serve(hooks: impl FnOnce() -> Hooks + Send + 'static) -> Running {
    run(Config { max_payload_bytes: 100_000, ..Config::default() }, |io| {
        io.on("much", |socket, (), _ack| socket.emit("much", "abc".repeat(1_000)));
        io.hooks(hooks());
    })
}

impl Running {
    /// The target of a new session.
    fn session(&self) -> String {
        let opened = self.connect().ask("GET", OPEN, "", "");
        let sid = opened.body.split('"').nth(3).expect("a sid");
        format!("{OPEN}&sid={sid}")
    }
}

#[test]
fn requests_in_a_row_are_answered_in_order_without_waiting() {
    let server = serve(Hooks::new);
    let mut raw = server.connect();
    let first = request("GET", "/socket.io/", "", "");
    let second = request("PUT", OPEN, "", "0123456789");
    let third = request("GET", "/no-such-page", "", "");
    raw.send([first, second, third, request("GET", OPEN, "", "")].concat());
    let statuses: Vec<String> = (0..4).map(|_| raw.answer().status().to_owned()).collect();
    assert_eq!(statuses, ["400", "400", "404", "200"]);
}

#[test]
fn a_body_that_nobody_wants_is_skipped_and_the_connection_goes_on() {
    let server = serve(Hooks::new);
    let target = server.session();
    let mut raw = server.connect();
    assert_eq!(raw.ask("PUT", &target, "", &"x".repeat(10_000)).status(), "500");
    raw.send(format!("DELETE {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    assert_eq!(raw.answer().status(), "500");
    // The rest of the chunks is no request.
    raw.send("4\r\nGET \r\n0\r\n\r\n");
    assert_eq!(raw.ask("POST", &target, "", "40").body, "ok");
}

#[test]
fn a_long_body_that_nobody_wants_ends_the_connection() {
    let server = serve(Hooks::new);
    let target = server.session();
    let mut raw = server.connect();
    let answer = raw.ask("POST", &target, "", &"x".repeat(100_001));
    assert_eq!((answer.status(), answer.field("Connection")), ("413", Some("close")));
    assert!(raw.is_ended());
    assert_eq!(server.connect().ask("POST", &target, "", "40").body, "ok");
}

#[test]
fn a_body_is_asked_for_only_if_it_is_wanted() {
    let server = serve(Hooks::new);
    let target = server.session();
    let mut raw = server.connect();
    let expect = "Expect: 100-continue\r\nContent-Length: 2\r\n";
    raw.send(request("POST", &target, expect, ""));
    assert_eq!(raw.answer().status(), "100");
    raw.send("40");
    assert_eq!(raw.answer().body, "ok");
    let refused = raw.ask("POST", &format!("{OPEN}&sid=nobody"), expect, "");
    assert_eq!((refused.status(), refused.field("Connection")), ("400", Some("close")));
    assert!(raw.is_ended());
}

#[test]
fn a_second_post_ends_the_connection_of_the_first() {
    let server = serve(Hooks::new);
    let target = server.session();
    let mut first = server.connect();
    first.send(request("POST", &target, "Expect: 100-continue\r\nContent-Length: 10\r\n", ""));
    // Whoever is asked for the body is being waited for.
    assert_eq!(first.answer().status(), "100");
    assert_eq!(server.connect().ask("POST", &target, "", "40").status(), "400");
    assert!(first.try_answer().is_none());
    assert_eq!(server.connect().ask("GET", &target, "", "").body, r#"{"code":1,"message":"Session ID unknown"}"#);
}

#[test]
fn a_head_request_has_no_body_in_its_answer() {
    let server = serve(Hooks::new);
    let mut raw = server.connect();
    let answer = raw.ask("HEAD", OPEN, "", "");
    assert_eq!((answer.status(), answer.field("Content-Length")), ("400", Some("43")));
    assert_eq!(raw.ask("HEAD", "/", "", "").status(), "200");
    assert_eq!(raw.ask("GET", OPEN, "", "").status(), "200");
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let server = serve(Hooks::new);
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Host: other\r\n",
        "X: a\nY: b\r\n",
    ] {
        let mut raw = server.connect();
        raw.send(request("POST", OPEN, fields, ""));
        raw.send("0\r\n\r\n");
        let answer = raw.answer();
        assert_eq!((answer.status(), answer.field("Connection")), ("400", Some("close")), "{fields:?}");
        assert!(raw.is_ended(), "{fields:?}");
    }
}

#[test]
fn chunks_may_come_in_any_pieces_and_a_malformed_one_ends_the_connection() {
    let server = serve(Hooks::new);
    let target = server.session();
    let head = request("POST", &target, "Transfer-Encoding: chunked\r\n", "");
    let mut raw = server.connect();
    for piece in [&head[..], "1", "\r", "\n4", "\r\n1;x=y\r", "\n0\r\n0\r\n", "T: x\r\n\r", "\n"] {
        raw.send(piece);
    }
    assert_eq!(raw.answer().body, "ok");
    let mut raw = server.connect();
    raw.send(&head);
    raw.send("x\r\n");
    assert!(raw.try_answer().is_none());
}

#[test]
fn a_long_answer_is_compressed_for_who_takes_it() {
    let server = serve(Hooks::new);
    let target = server.session();
    let mut raw = server.connect();
    assert_eq!(raw.ask("POST", &target, "", "40").body, "ok");
    let joined = raw.ask("GET", &target, "Accept-Encoding: gzip\r\n", "");
    assert_eq!((joined.field("Content-Encoding"), &joined.body[..2]), (None, "40"));
    let expected = format!(r#"42["much","{}"]"#, "abc".repeat(1_000));
    for (accepted, coding) in [("gzip, deflate", Some("gzip")), ("br", None)] {
        assert_eq!(raw.ask("POST", &target, "", r#"42["much"]"#).body, "ok");
        let answer = raw.ask("GET", &target, &format!("Accept-Encoding: {accepted}\r\n"), "");
        assert_eq!(answer.field("Content-Encoding"), coding);
        let mut plain = String::new();
        match coding {
            Some(_) => flate2::read::GzDecoder::new(&answer.bytes[..]).read_to_string(&mut plain).expect("gzip"),
            None => answer.bytes.as_slice().read_to_string(&mut plain).expect("text"),
        };
        assert_eq!(plain, expected);
    }
}

#[test]
fn our_client_has_the_official_names_and_says_what_it_does_not_have() {
    let server = serve(Hooks::new);
    let mut raw = server.connect();
    let script = raw.ask("GET", "/socket.io/socket.io.js", "", "");
    let minified = raw.ask("GET", "/socket.io/socket.io.min.js?t=1", "", "");
    assert_eq!((script.status(), script.body == minified.body), ("200", true));
    let module = raw.ask("GET", "/socket.io/socket.io.esm.min.js", "", "");
    assert_eq!(module.field("Content-Type"), Some("application/javascript; charset=utf-8"));
    assert!(module.body.contains("export { io,") && !script.body.contains("export {"));
    for name in ["socket.io.msgpack.min.js", "socket.io.js.map", "socket.io.esm.min.js.map"] {
        let answer = raw.ask("GET", &format!("/socket.io/{name}"), "", "");
        assert_eq!((answer.status(), answer.body.contains("--client-dir")), ("404", true), "{name}");
    }
    let etag = module.field("ETag").expect("an ETag");
    let known = raw.ask("GET", "/socket.io/socket.io.esm.min.js", &format!("If-None-Match: {etag}\r\n"), "");
    assert_eq!((known.status(), known.body.len()), ("304", 0));
}

#[test]
fn a_policy_may_take_its_time_while_others_are_served() {
    let (decide, decided) = async_channel::bounded::<bool>(1);
    let server = serve(move || {
        let mut hooks = Hooks::new();
        hooks.allow_request(move |request| {
            let decided = decided.clone();
            async move {
                let is_slow = request.query("slow").is_some();
                if !is_slow || decided.recv().await == Ok(true) { Ok(()) } else { Err("too late".to_owned()) }
            }
        });
        hooks
    });
    for (is_allowed, status) in [(true, "200"), (false, "403")] {
        let mut slow = server.connect();
        slow.send(request("GET", &format!("{OPEN}&slow"), "", ""));
        let target = server.session();
        assert_eq!(server.connect().ask("POST", &target, "", "40").body, "ok");
        decide.send_blocking(is_allowed).expect("a policy");
        let answer = slow.answer();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.body.contains(r#"{"code":4,"message":"too late"}"#), !is_allowed);
    }
}

#[test]
fn connections_that_are_idle_end_with_the_server_at_once() {
    let server = serve(Hooks::new);
    let mut idle = [server.connect(), server.connect()];
    assert_eq!(idle[1].ask("GET", "/", "", "").status(), "200");
    for raw in &idle {
        // Less than what a client has that does not read its last answer.
        raw.stream.set_read_timeout(Some(Duration::from_secs(4))).expect("a timeout");
    }
    server.handle.shut_down();
    assert!(idle.iter_mut().all(Raw::is_ended));
}

#[test]
fn a_poll_that_waits_is_told_when_the_server_ends() {
    let server = serve(Hooks::new);
    let target = server.session();
    let (mut poll, mut other) = (server.connect(), server.connect());
    poll.send(request("GET", &target, "", ""));
    // Answered after the poll was read.
    assert_eq!(other.ask("POST", &target, "", "3").body, "ok");
    server.handle.shut_down();
    let answer = poll.answer();
    // CLOSE, upon which clients come back (Engine.IO protocol, "Packet encoding").
    assert_eq!((answer.status(), &answer.body[..]), ("200", "1"));
    assert!(poll.is_ended());
}

#[test]
fn what_is_asked_behind_a_poll_is_answered_behind_it() {
    // Nothing but the answer to the poll makes the server look again.
    let limits = Limits { head_timeout: Duration::from_secs(3_600), ..Limits::default() };
    let server = run(Config { limits, ..Config::default() }, |io| {
        io.on("much", |socket, (), _ack| socket.emit("much", "abc"));
    });
    let target = server.session();
    let (mut poll, mut other) = (server.connect(), server.connect());
    for packet in ["40", "42[\"much\"]", "42[\"much\"]"] {
        poll.send(request("GET", &target, "", ""));
        // Answered after the poll was read, so that the next request is not read with it.
        assert_eq!(other.ask("GET", "/no-such-page", "", "").status(), "404");
        poll.send(request("GET", "/no-such-page", "", ""));
        assert_eq!(other.ask("GET", "/no-such-page", "", "").status(), "404");
        assert_eq!(other.ask("POST", &target, "", packet).body, "ok");
        let (first, second) = (poll.answer(), poll.answer());
        assert_eq!((first.status(), second.status()), ("200", "404"));
    }
}

#[test]
fn a_poll_whose_session_ends_under_way_is_not_answered_with_nothing() {
    let server = serve(Hooks::new);
    let target = server.session();
    let (mut poll, mut other) = (server.connect(), server.connect());
    assert_eq!(other.ask("POST", &target, "", "40").body, "ok");
    assert_eq!(&poll.ask("GET", &target, "", "").body[..2], "40");
    poll.send(request("GET", &target, "", ""));
    // An event that is answered, and the end, in one body.
    assert_eq!(other.ask("POST", &target, "", "42[\"much\"]\u{1e}1").body, "ok");
    let answer = poll.answer();
    assert_eq!((answer.status(), &answer.body[..]), ("200", "1"));
    assert_eq!(other.ask("GET", &target, "", "").status(), "400");
}

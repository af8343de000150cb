//! Bounds by address, in all, and by time.

use crate::server::{OPEN, Server, TEXT, frame, request};

fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}\r\n")
}

#[test]
fn clients_of_a_trusted_proxy_are_counted_by_their_own_address() {
    let server = Server::start(&["--trust-proxy", "127.0.0.0/8", "--max-connections-by-address", "2"]);
    let mut first = server.upgrade(&from("198.51.100.7"));
    let mut second = server.upgrade(&from("6.6.6.6, 198.51.100.7"));
    assert_eq!((first.answer().status(), second.answer().status()), ("101", "101"));
    let refused = server.upgrade(&from("198.51.100.7")).answer();
    assert_eq!((refused.status(), refused.field("Connection")), ("503", Some("close")));
    assert!(refused.field("Retry-After").is_some());
    assert_eq!(refused.body, "Too many connections from this address");
    assert!(server.logged("refused").contains("198.51.100.7"));
    // A connection on which requests of several come is each one's while it asks.
    let mut proxy = server.connect();
    assert_eq!(proxy.ask("GET", OPEN, &from("198.51.100.7"), "").status(), "503");
    assert_eq!(proxy.ask("GET", OPEN, &from("198.51.100.8"), "").status(), "200");
    assert_eq!(server.upgrade(&from("198.51.100.8")).answer().status(), "101");
    // The proxy itself, and this machine, are not counted.
    let own: Vec<_> = (0..5).map(|_| server.join()).collect();
    drop(first);
    while server.upgrade(&from("198.51.100.7")).answer().status() != "101" {}
    assert_eq!(own.len(), 5);
}

#[test]
fn a_client_of_a_trusted_proxy_is_counted_no_longer_than_its_poll_waits() {
    let server = Server::start(&["--trust-proxy", "127.0.0.0/8", "--max-connections-by-address", "1"]);
    let (target, mut poll) = (server.join_polling(), server.connect());
    assert_eq!(poll.ask("GET", &target, &from("198.51.100.7"), "").status(), "200");
    poll.send(request("GET", &target, &from("198.51.100.7"), ""));
    let status = || server.connect().ask("GET", "/", &from("198.51.100.7"), "").status().to_owned();
    assert!((0..1_000).any(|_| status() == "503"), "the poll is not counted");
    let _other = server.join();
    assert_eq!(poll.answer().status(), "200");
    assert_eq!(status(), "200");
}

#[test]
fn who_is_not_trusted_is_not_believed() {
    let server = Server::start(&["--trust-proxy", "10.0.0.0/8", "--max-connections-by-address", "1"]);
    let kept: Vec<_> = (0..3).map(|_| server.upgrade(&from("198.51.100.7"))).collect();
    assert!(kept.into_iter().all(|mut raw| raw.answer().status() == "101"));
}

#[test]
fn too_many_handshakes_are_answered_429() {
    let options = ["--trust-proxy", "127.0.0.1,::1", "--handshake-rate", "1", "--handshake-burst", "5"];
    let server = Server::start(&options);
    let mut raw = server.connect();
    let statuses: Vec<String> =
        (0..8).map(|_| raw.ask("GET", OPEN, &from("198.51.100.7"), "").status().to_owned()).collect();
    assert_eq!(statuses[..5], ["200"; 5]);
    assert!(statuses[5..].contains(&"429".to_owned()), "{statuses:?}");
    let refused = loop {
        let answer = raw.ask("GET", OPEN, &from("198.51.100.7"), "");
        if answer.status() == "429" {
            break answer;
        }
    };
    assert_eq!(refused.body, r#"{"code":4,"message":"Too many handshakes from this address"}"#);
    assert!(refused.field("Retry-After").is_some());
    server.logged("request of 198.51.100.7 refused: Too many handshakes");
    assert_eq!(raw.ask("GET", OPEN, &from("2001:db8::1"), "").status(), "200");
    assert!((0..20).all(|_| raw.ask("GET", OPEN, "", "").status() == "200"), "loopback is not counted");
}

#[test]
fn connections_over_the_limit_wait_until_there_is_room() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut inside: Vec<_> = (0..3).map(|_| server.join()).collect();
    let mut late = server.connect();
    late.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    server.logged("3 connections are open: new ones wait");
    inside[2].echo(1);
    inside.pop();
    assert_eq!(late.answer().status(), "200");
}

#[test]
fn a_head_that_drips_is_cut_and_so_is_who_says_nothing() {
    let server = Server::start(&["--head-timeout", "300"]);
    let mut watcher = server.join();
    let mut dripping = server.connect();
    let mut drips = dripping.stream.try_clone().expect("a handle");
    let dripper = std::thread::spawn(move || {
        use std::io::Write as _;
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(10_000));
        head.bytes().all(|byte| drips.write_all(&[byte]).is_ok_and(|()| smol::block_on(pause())))
    });
    let answer = dripping.answer();
    assert_eq!((answer.status(), answer.field("Connection")), ("408", Some("close")));
    server.logged("refused: 408");
    assert!(dripping.ends());
    drop(dripping);
    assert!(!dripper.join().expect("no panic"), "all of it was taken");
    assert!(server.connect().ends());
    let mut kept = server.connect();
    assert_eq!(kept.ask("GET", "/", "", "").status(), "200");
    assert!(kept.ends(), "as after an answer");
    watcher.echo(1);
}

#[test]
fn who_asks_nothing_after_the_answer_to_a_poll_is_cut_off() {
    let server = Server::start(&["--head-timeout", "1000"]);
    let (target, mut others) = (server.join_polling(), Vec::new());
    let mut poll = server.connect();
    assert_eq!(poll.ask("GET", &target, "", "").status(), "200");
    for is_asked_more in [true, true, false] {
        poll.send(request("GET", &target, "", ""));
        // A poll may wait for longer than a head may take, and the time for the next begins with its answer.
        assert!(server.connect().ends());
        assert!(server.connect().ends());
        others.push(server.join());
        assert!(poll.answer().body.starts_with("42[\"online\""));
        if is_asked_more {
            assert_eq!(poll.ask("GET", "/", "", "").status(), "200");
        }
    }
    assert!(poll.ends());
}

/// The time between two drops.
async fn pause() -> bool {
    smol::Timer::after(core::time::Duration::from_millis(20)).await;
    true
}

#[test]
fn a_body_that_drips_is_cut_and_its_session_with_it() {
    let server = Server::start(&["--body-timeout", "300"]);
    let target = server.join_polling();
    let mut raw = server.connect();
    raw.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42").as_bytes());
    assert!(raw.ends());
    server.logged("cut: a body came in part");
    assert_eq!(server.connect().ask("GET", &target, "", "").status(), "400");
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let server = Server::start(&["--max-head", "2000"]);
    for (len, status) in [(1_800, "200"), (2_000, "431"), (1_000_000, "431")] {
        let mut raw = server.connect();
        raw.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(len)).as_bytes());
        assert_eq!(raw.answer().status(), status, "{len}");
    }
    let fields: String = (0..65).map(|number| format!("X-{number}: y\r\n")).collect();
    assert_eq!(server.connect().ask("GET", "/", &fields, "").status(), "431");
}

#[test]
fn clients_that_join_nothing_make_way_for_others() {
    let server = Server::start(&["--max-unconnected", "2"]);
    let mut idle: Vec<_> = (0..3).map(|_| server.upgrade("")).collect();
    assert!(idle[0].ends());
    server.logged("cut off: no namespace was joined in time");
    server.join().echo(1);
}

#[test]
fn who_floods_is_read_slowly_and_loses_nothing_while_others_are_served() {
    let server = Server::start(&["--packet-rate", "200"]);
    let (mut watcher, mut flooder) = (server.join(), server.join());
    let mut flood = flooder.stream.try_clone().expect("a handle");
    let sent = std::thread::spawn(move || {
        use std::io::Write as _;
        let frames: Vec<u8> =
            (0..500).flat_map(|number| frame(TEXT, format!(r#"42{number}["name","flood"]"#).as_bytes())).collect();
        flood.write_all(&frames)
    });
    server.logged("client of 127.0.0.1 is read slowly");
    for number in 0..20 {
        watcher.echo(number);
    }
    for number in 0..500 {
        flooder.take(|text| text == format!(r#"43{number}[{{"name":"flood"}}]"#));
    }
    sent.join().expect("no panic").expect("all is taken");
}

#[test]
fn a_flood_in_the_body_of_a_post_is_taken_slowly_too() {
    let server = Server::start(&["--packet-rate", "100"]);
    let mut watcher = server.join();
    let target = server.join_polling();
    let body = vec![r#"42["name","flood"]"#; 250].join("\x1e");
    let mut raw = server.connect();
    raw.send(crate::server::request("POST", &target, "", &body).as_bytes());
    server.logged("client of 127.0.0.1 is read slowly");
    watcher.echo(1);
    assert_eq!(raw.answer().body, "ok");
}

#[test]
fn the_rest_of_a_body_is_not_brought_when_its_session_has_ended() {
    let server = Server::start(&["--packet-rate", "10"]);
    let target = server.join_polling();
    // All of it would take minutes.
    let body = vec![r#"42["name","flood"]"#; 1_000].join("\x1e");
    let mut raw = server.connect();
    raw.send(crate::server::request("POST", &target, "", &body).as_bytes());
    server.logged("client of 127.0.0.1 is read slowly");
    // Two at once end the session.
    assert_eq!(server.connect().ask("POST", &target, "", "3").status(), "400");
    assert!(raw.ends());
}

#[test]
fn many_bytes_count_as_many_packets_do() {
    let server = Server::start(&["--byte-rate", "100000"]);
    let (mut watcher, mut flooder) = (server.join(), server.join());
    let long = format!(r#"42["name","{}"]"#, "x".repeat(150_000));
    flooder.frame(TEXT, long.as_bytes());
    server.logged("is read slowly");
    watcher.echo(1);
    flooder.echo(2);
}

/// The beginning of a POST of 100,000 bytes.
fn part(target: &str, sent: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{}", "4".repeat(sent))
}

#[test]
fn of_too_many_bodies_in_part_the_first_is_cut_off() {
    let server = Server::start(&["--max-incoming", "200000"]);
    let mut watcher = server.join();
    let targets: Vec<String> = (0..3).map(|_| server.join_polling()).collect();
    let mut parts: Vec<_> = targets
        .iter()
        .map(|target| {
            let mut raw = server.connect();
            raw.send(part(target, 80_000).as_bytes());
            watcher.echo(1);
            raw
        })
        .collect();
    assert!(parts[0].ends());
    server.logged("cut: all that has come in part is too much");
    assert_eq!(server.connect().ask("GET", &targets[0], "", "").status(), "400");
    parts[1].send("4".repeat(20_000).as_bytes());
    assert_eq!(parts[1].answer().body, "ok");
    watcher.echo(2);
}

#[test]
fn of_too_many_messages_in_part_the_first_is_cut_off() {
    let server = Server::start(&["--max-incoming", "200000"]);
    let mut watcher = server.join();
    let message = format!(r#"42["name","{}"]"#, "x".repeat(90_000));
    let frame = frame(TEXT, message.as_bytes());
    let mut parts: Vec<_> = (0..3)
        .map(|_| {
            let mut raw = server.join();
            raw.send(&frame[..80_000]);
            watcher.echo(1);
            raw
        })
        .collect();
    assert!(parts[0].ends());
    server.logged("cut: all that has come in part is too much");
    for raw in &mut parts[1..] {
        raw.send(&frame[80_000..]);
        raw.echo(2);
    }
    watcher.echo(3);
}

#[test]
fn what_comes_in_pieces_counts_twice() {
    let server = Server::start(&["--max-incoming", "200000"]);
    let mut first = server.join();
    // Without FIN it is the first of several frames (RFC 6455, section 5.4).
    first.frame(0x02, [0; 80_000]);
    let mut watcher = server.join();
    watcher.echo(1);
    // Both together are less than the limit, and all that is held is more.
    let mut second = server.join();
    second.send(&frame(TEXT, [b'x'; 90_000])[..80_000]);
    assert!(first.ends());
    server.logged("cut: all that has come in part is too much");
}

#[test]
fn who_is_refused_or_cut_off_is_in_the_log_with_the_reason() {
    let server = Server::start(&["--max-clients", "2", "--max-payload", "1000", "--connect-timeout", "500"]);
    let _inside = server.join();
    let mut deep = server.join();
    assert_eq!(server.upgrade("").answer().status(), "503");
    server.logged("handshake of 127.0.0.1 refused: too many clients");
    deep.frame(TEXT, format!(r#"42["x",{}]"#, "[".repeat(200)).as_bytes());
    assert!(deep.ends());
    server.logged("client of 127.0.0.1 cut off: JSON nested too deeply");
    let mut idle = server.upgrade("");
    assert_eq!(idle.answer().status(), "101");
    assert!(idle.ends());
    server.logged("client of 127.0.0.1 cut off: no namespace was joined in time");
    let target = server.join_polling();
    assert_eq!(server.connect().ask("POST", &target, "", &"4".repeat(1_001)).status(), "413");
    server.logged("body of 127.0.0.1 refused: it is too long");
}

//! Peers that do not read, with the server's memory watched.

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::server::{Raw, Server, TEXT, request};

const SHORT: [&str; 6] = ["--ping-interval", "500", "--ping-timeout", "1000", "--log", "debug"];
/// What one client may cost, of the server's own memory.
const HELD_BYTES_MAX: usize = 2 << 20;

/// Says so many long things in the chat.
fn talk(talker: &mut Raw, messages: usize) {
    let text = "x".repeat(2_000);
    for number in 0..messages {
        talker.frame(TEXT, format!(r#"42{number}["message",{{"text":"{text}"}}]"#).as_bytes());
        talker.take(|text| text.starts_with(&format!("43{number}[")));
    }
}

/// A client that reads no more.
fn deaf(server: &Server) -> Raw {
    let deaf = server.join();
    set_socket_recv_buffer_size(&deaf.stream, 4_096).expect("a small window");
    deaf
}

#[test]
fn a_client_that_reads_nothing_is_cut_off_with_little_held_for_it() {
    let server = Server::start(&["--ping-interval", "20000", "--ping-timeout", "20000"]);
    let mut talker = server.join();
    // What the chat remembers is not held for anybody.
    talk(&mut talker, 400);
    let deaf = deaf(&server);
    let (before, _) = server.memory_bytes();
    server.forget_peak();
    // More than its outbox and all buffers of the system hold.
    talk(&mut talker, 5_000);
    server.logged("client of 127.0.0.1 cut off: outbox full");
    let (_, peak) = server.memory_bytes();
    assert!(peak - before <= HELD_BYTES_MAX, "{} bytes", peak - before);
    talker.echo(1);
    drop(deaf);
}

#[test]
fn a_client_that_answers_pings_it_has_not_read_is_cut_off_in_time() {
    // More than the system takes for a client, and less.
    for messages in [3_000, 200] {
        answer_pings_unread(messages);
    }
}

fn answer_pings_unread(messages: usize) {
    let server = Server::start(&[&SHORT[..], &["--max-outbox", "100000000"]].concat());
    let (mut talker, deaf) = (server.join(), deaf(&server));
    let mut pongs = deaf.stream.try_clone().expect("a handle");
    let answering = std::thread::spawn(move || {
        use std::io::Write as _;
        let pong = crate::server::frame(TEXT, b"3");
        while pongs.write_all(&pong).is_ok() {
            smol::block_on(smol::Timer::after(core::time::Duration::from_millis(400)));
        }
    });
    talk(&mut talker, messages);
    // Whoever talks has to read, too.
    let reading = std::thread::spawn(move || {
        while let Some((_, payload)) = talker.next() {
            if payload == b"2" {
                talker.frame(TEXT, b"3");
            }
        }
    });
    // By the server or by the system, whichever was first.
    server.logged("client of 127.0.0.1 cut off: ");
    drop((deaf, server));
    answering.join().expect("no panic");
    reading.join().expect("no panic");
}

#[test]
fn a_poller_that_only_answers_pings_is_cut_off() {
    let server = Server::start(&SHORT);
    let target = server.join_polling();
    let mut raw = server.connect();
    let pong = request("POST", &target, "", "3");
    while raw.send(pong.as_bytes()) && raw.try_answer().is_some_and(|answer| answer.status() == "200") {}
    server.logged("client of 127.0.0.1 cut off: stalled");
}

#[test]
fn a_connection_that_never_reads_its_answers_is_cut_with_little_held_for_it() {
    let server = Server::start(&["--unread-timeout", "500"]);
    assert_eq!(server.connect().ask("GET", "/", "", "").status(), "200");
    let (before, _) = server.memory_bytes();
    server.forget_peak();
    let mut deaf: Vec<Raw> = (0..10).map(|_| server.connect()).collect();
    let asks = request("GET", "/socket.io/socket.io.js", "", "").repeat(500);
    for raw in &mut deaf {
        set_socket_recv_buffer_size(&raw.stream, 4_096).expect("a small window");
        raw.send(asks.as_bytes());
    }
    server.logged("cut: an answer was not taken");
    for raw in &mut deaf {
        assert!(raw.ends());
    }
    let (_, peak) = server.memory_bytes();
    assert!(peak - before <= HELD_BYTES_MAX, "{} bytes for ten", peak - before);
}

#[test]
fn a_poll_whose_answer_lies_unread_in_the_system_is_cut_in_time() {
    let server = Server::start(&["--unread-timeout", "500"]);
    let target = server.join_polling();
    let mut talker = server.join();
    talk(&mut talker, 200);
    let mut deaf = server.connect();
    set_socket_recv_buffer_size(&deaf.stream, 4_096).expect("a small window");
    deaf.send(request("GET", &target, "", "").as_bytes());
    server.logged("connection of 127.0.0.1 cut: an answer was not taken");
    assert!(deaf.ends());
}

#[test]
fn a_poller_that_does_not_read_its_answer_costs_no_copy_of_it() {
    let server = Server::start(&["--max-outbox", "20000000", "--max-outbox-packets", "10000", "--compress-from", "0"]);
    let targets: Vec<String> = (0..4).map(|_| server.join_polling()).collect();
    let mut talker = server.join();
    // More than the system takes for a peer that reads nothing. All pollers share it.
    talk(&mut talker, 3_000);
    let (before, _) = server.memory_bytes();
    server.forget_peak();
    let deaf: Vec<Raw> = targets
        .iter()
        .map(|target| {
            let mut raw = server.connect();
            set_socket_recv_buffer_size(&raw.stream, 4_096).expect("a small window");
            raw.send(request("GET", target, "", "").as_bytes());
            // The beginning of the answer is there, and stays unread.
            assert_ne!(raw.stream.peek(&mut [0]).expect("an answer"), 0);
            raw
        })
        .collect();
    talker.echo(1);
    let (_, peak) = server.memory_bytes();
    assert!(peak - before <= HELD_BYTES_MAX, "{} bytes for four", peak - before);
    drop(deaf);
}

#[test]
fn what_a_long_message_took_is_given_back_when_it_is_read() {
    let server = Server::start(&[]);
    let mut clients: Vec<Raw> = (0..20).map(|_| server.join()).collect();
    let (before, _) = server.memory_bytes();
    let long = format!(r#"42["nobody listens to this","{}"]"#, "x".repeat(900_000));
    for (number, client) in clients.iter_mut().enumerate() {
        assert!(client.frame(TEXT, long.as_bytes()));
        client.echo(number);
    }
    let (now, _) = server.memory_bytes();
    assert!(now.saturating_sub(before) <= 2 * HELD_BYTES_MAX, "{} bytes for twenty", now - before);
    // They go on with what they have.
    for (number, client) in clients.iter_mut().enumerate() {
        client.echo(number);
    }
}

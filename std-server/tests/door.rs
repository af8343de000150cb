//! Connections that the program has accepted itself, and that are not TCP's.

#![cfg(unix)]

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use smol::block_on;
use smol::future::poll_once;
use sprat::{App, Config, Door, HandleError, Hooks, Io, Service};

/// What a test waits for has to come in this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two ends of a stream, one of them for the server.
fn pair() -> (UnixStream, TcpStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    (ours, OwnedFd::from(theirs).into())
}

/// Whose the connections are said to be.
fn somebody() -> SocketAddr {
    "192.0.2.7:8".parse().expect("an address")
}

/// What is answered to a handshake.
fn ask(door: &Door) -> String {
    let (mut ours, theirs) = pair();
    block_on(door.let_in(theirs, somebody())).expect("a server that runs");
    let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    ours.write_all(request.as_bytes()).expect("room for a request");
    let mut answer = String::new();
    ours.read_to_string(&mut answer).expect("an end");
    answer
}

#[test]
fn connections_that_the_program_accepted_come_in_by_a_door() {
    let (told, addresses) = channel();
    let (started, doors) = channel();
    let running = std::thread::spawn(move || {
        let mut hooks = Hooks::new();
        hooks.allow_request(move |request| {
            told.send(request.address()).expect("the test goes on");
            async { Ok(()) }
        });
        let mut io = Io::new();
        io.hooks(hooks);
        io.listen_on(Vec::new());
        io.on_ready(|addresses| assert!(addresses.is_empty(), "{addresses:?}"));
        started.send((io.door(), io.handle())).expect("the test goes on");
        // Where this says, nobody could listen.
        io.run(Config { listen: vec![somebody().to_string().parse().expect("an address")], ..Config::default() })
    });
    let (door, handle) = doors.recv_timeout(PATIENCE).expect("a server");
    for _ in 0..3 {
        assert!(ask(&door).starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(addresses.recv_timeout(PATIENCE), Ok(Some(somebody())));
    }
    // A connection that is open ends with the server.
    let (mut idle, theirs) = pair();
    block_on(door.let_in(theirs, somebody())).expect("a server that runs");
    handle.shut_down();
    assert_eq!(idle.read(&mut [0]).expect("an end"), 0);
    running.join().expect("no panic").expect("a server that starts");
    assert!(matches!(block_on(door.let_in(pair().1, somebody())), Err(HandleError::Closed)));
}

#[test]
fn a_door_lets_those_wait_who_bring_more_than_it_holds() {
    struct Nothing;
    impl App for Nothing {}

    let service = Service::new(Nothing);
    let door = service.door();
    let mut clients = Vec::new();
    let has_room = |clients: &mut Vec<UnixStream>| {
        let (ours, theirs) = pair();
        clients.push(ours);
        block_on(poll_once(door.let_in(theirs, somebody()))).is_some_and(|let_in| let_in.is_ok())
    };
    assert!((0..16).all(|_| has_room(&mut clients)));
    assert!(!has_room(&mut clients));
    // Those that wait end with the server, though somebody holds the door.
    drop(service);
    assert!(clients.iter_mut().all(|client| client.read(&mut [0]).is_ok_and(|len| len == 0)));
}

/// Reads until the answer to the last of some requests is there.
fn read_until(client: &mut UnixStream, part: &str) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 4_096]);
    while !text.contains(part) {
        let len = client.read(&mut bytes).expect("an answer");
        assert!(len > 0, "the connection ends behind {text:?}");
        text.push_str(core::str::from_utf8(&bytes[..len]).expect("text"));
    }
    text
}

#[test]
fn an_answer_to_a_poll_for_which_the_system_has_no_room_is_sent_when_it_has() {
    let (started, doors) = channel();
    let running = std::thread::spawn(move || {
        let mut io = Io::new();
        io.listen_on(Vec::new());
        started.send((io.door(), io.handle())).expect("the test goes on");
        io.run(Config::default())
    });
    let (door, handle) = doors.recv_timeout(PATIENCE).expect("a server");
    // With some number of answers that are not read there is room for all of them, and not for one more.
    for unread in 0..24 {
        let (mut client, theirs) = pair();
        rustix::net::sockopt::set_socket_send_buffer_size(&theirs, 4_096).expect("a size");
        block_on(door.let_in(theirs, somebody())).expect("a server that runs");
        let open = "/socket.io/?EIO=4&transport=polling";
        client.write_all(format!("GET {open} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("room");
        let opened = read_until(&mut client, "}");
        let target = format!("{open}&sid={}", opened.split('"').nth(3).expect("an id"));
        let others = "GET /no-such-page HTTP/1.1\r\nHost: x\r\n\r\n".repeat(unread);
        client.write_all(format!("{others}GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("room");
        let (mut other, theirs) = pair();
        block_on(door.let_in(theirs, somebody())).expect("a server that runs");
        for (len, body) in [(1, "3"), (2, "40")] {
            let post = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n{body}");
            other.write_all(post.as_bytes()).expect("room");
            read_until(&mut other, "\r\n\r\nok");
        }
        let answers = read_until(&mut client, "40{\"sid\":");
        assert_eq!(answers.matches("HTTP/1.1 404 ").count(), unread);
        // And the next one, which nothing is in the way of.
        client.write_all(b"GET /no-such-page HTTP/1.1\r\nHost: x\r\n\r\n").expect("room");
        read_until(&mut client, "HTTP/1.1 404 ");
    }
    handle.shut_down();
    running.join().expect("no panic").expect("a server that starts");
}

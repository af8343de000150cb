//! A client that sends for everybody, as fast as it can, and the others, who read as fast as they can: nobody loses a place,
//! and nothing is lost.

mod common;

use core::time::Duration;
use std::thread::{JoinHandle, sleep, spawn};

use common::{OPEN, Raw, Running, TEXT, frame, run};
use rustix::net::sockopt;
use sprat::Config;
use sprat::config::Limits;

const MESSAGES: usize = 10_000;
const LISTENERS: usize = 60;
const FEW_PACKETS: usize = 256;

/// A server that sends everybody what is said to it, and lets so many packets wait for a client.
fn serve(max_outbox_packets: usize) -> Running {
    let limits = Limits { max_outbox_packets, ..Limits::default() };
    run(Config { limits, ..Config::default() }, |io| {
        io.on("all", |socket, text: String, _ack| socket.everybody().emit("all", text));
    })
}

fn join(server: &Running) -> Raw {
    let mut raw = server.upgrade("/socket.io/?EIO=4&transport=websocket", "");
    assert_eq!(raw.answer().status(), "101");
    raw.frame(TEXT, b"40");
    assert!(raw.next_frame().1.starts_with(b"0{") && raw.next_frame().1.starts_with(b"40{"));
    raw
}

#[expect(clippy::disallowed_methods, reason = "a reader that is slow")]
fn nap(pause: Duration) {
    sleep(pause);
}

/// Reads so many messages, in order. It takes `pause` after each hundred.
fn listen(mut raw: Raw, count: usize, len: usize, pause: Duration) -> JoinHandle<()> {
    spawn(move || {
        for number in 0..count {
            assert_eq!(raw.next(), Some((TEXT, message(number, len).into_bytes())), "message {number}");
            if number % 100 == 0 {
                nap(pause);
            }
        }
    })
}

fn message(number: usize, len: usize) -> String {
    format!("42[\"all\",\"{number:0len$}\"]")
}

#[test]
fn who_floods_a_websocket_costs_nobody_a_place() {
    let server = serve(FEW_PACKETS);
    let listeners = (0..LISTENERS).map(|_| listen(join(&server), MESSAGES, 8, Duration::ZERO));
    let mut readers: Vec<_> = listeners.collect();
    let speaker = join(&server);
    let flood: Vec<u8> = (0..MESSAGES).flat_map(|number| frame(TEXT, message(number, 8))).collect();
    let mut stream = speaker.stream.try_clone().expect("a second handle");
    let sending = spawn(move || std::io::Write::write_all(&mut stream, &flood));
    // It is told all of it too.
    readers.push(listen(speaker, MESSAGES, 8, Duration::ZERO));
    sending.join().expect("no panic").expect("a connection that lasts");
    readers.into_iter().for_each(|reader| reader.join().expect("all of it"));
}

/// Has clients each say one thing to everybody, all at the same moment, while all read what they are told.
fn say_at_once(server: &Running, speakers: usize, listeners: usize, text: &str) {
    let mut streams = Vec::new();
    let mut readers = Vec::new();
    for _ in 0..speakers + listeners {
        let mut raw = join(server);
        let text = text.as_bytes().to_vec();
        streams.push(raw.stream.try_clone().expect("a second handle"));
        readers.push(spawn(move || (0..speakers).for_each(|_| assert_eq!(raw.next(), Some((TEXT, text.clone()))))));
    }
    let said = frame(TEXT, text);
    let (first, last) = said.split_at(said.len() - 1);
    for part in [first, last] {
        for mut stream in &streams[..speakers] {
            std::io::Write::write_all(&mut stream, part).expect("a connection that lasts");
        }
    }
    readers.into_iter().for_each(|reader| reader.join().expect("all of it"));
}

#[test]
fn long_messages_at_once_cost_nobody_a_place() {
    let server = serve(Limits::default().max_outbox_packets);
    // Each fits an outbox, and not all of them.
    for (speakers, len) in [(2, 900_000), (3, 400_000), (5, 250_000)] {
        say_at_once(&server, speakers, 40, &format!("42[\"all\",\"{}\"]", "x".repeat(len)));
    }
}

#[test]
fn many_who_speak_at_once_cost_nobody_a_place() {
    let server = serve(64);
    say_at_once(&server, 90, 5, &message(0, 8));
}

#[test]
fn who_floods_by_long_polling_costs_nobody_a_place() {
    let server = serve(FEW_PACKETS);
    let listeners = (0..LISTENERS).map(|_| listen(join(&server), MESSAGES, 8, Duration::ZERO));
    let readers: Vec<_> = listeners.collect();
    let mut speaker = server.connect();
    let open = speaker.ask("GET", OPEN, "", "").body;
    let sid = open.split('"').nth(3).expect("an id");
    let target = format!("{OPEN}&sid={sid}");
    assert_eq!(speaker.ask("POST", &target, "", "40").status(), "200");
    let mut poll = server.connect();
    let polling = {
        let target = target.clone();
        // It has to take what it is told, as everybody.
        spawn(move || while !poll.ask("GET", &target, "", "").body.ends_with("\"end\"]") {})
    };
    let flood: Vec<_> = (0..MESSAGES).map(|number| message(number, 8)).collect();
    for body in flood.chunks(4_000) {
        assert_eq!(speaker.ask("POST", &target, "", &body.join("\u{1e}")).status(), "200");
    }
    assert_eq!(speaker.ask("POST", &target, "", "42[\"all\",\"end\"]").status(), "200");
    readers.into_iter().for_each(|reader| reader.join().expect("all of it"));
    polling.join().expect("all of it");
}

#[test]
fn who_floods_waits_for_a_slow_reader() {
    let server = serve(FEW_PACKETS);
    let slow = join(&server);
    // Otherwise the system takes most of it for a reader who is slow.
    sockopt::set_socket_recv_buffer_size(&slow.stream, 128 << 10).expect("an option that there is");
    let reader = listen(slow, 3_000, 4_000, Duration::from_millis(100));
    let speaker = join(&server);
    let mut stream = speaker.stream.try_clone().expect("a second handle");
    let own = listen(speaker, 3_000, 4_000, Duration::ZERO);
    for number in 0..3_000 {
        std::io::Write::write_all(&mut stream, &frame(TEXT, message(number, 4_000))).expect("a connection that lasts");
    }
    reader.join().expect("all of it");
    own.join().expect("all of it");
}

//! Descriptors that run out, and an end while peers stall.

use crate::server::{CLOSE, Raw, Server, TEXT, request};

#[test]
fn without_descriptors_those_inside_are_served_and_new_ones_again_when_there_is_room() {
    let server = Server::start(&["--ping-interval", "500"]);
    let mut inside = server.join();
    server.limit_descriptors(Some(1));
    let mut last = server.join();
    let mut waiting: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for raw in &mut waiting {
        raw.send(request("GET", "/", "Connection: close\r\n", "").as_bytes());
    }
    server.logged("no connection can be accepted for now");
    let ticks = server.processor_ticks();
    for number in 0..4 {
        inside.take(|text| text == "2");
        last.take(|text| text == "2");
        inside.echo(number);
    }
    // Two seconds: whoever asked for connections without a pause would use most of them.
    assert!(server.processor_ticks() - ticks < 50, "it spins");
    drop(last);
    for raw in &mut waiting {
        assert_eq!(raw.answer().status(), "200");
        assert!(raw.ends());
    }
    server.limit_descriptors(None);
    server.join().echo(1);
}

#[test]
fn of_many_who_close_those_are_waited_for_that_there_is_room_for() {
    let server = Server::start(&[]);
    let mut clients: Vec<_> = (0..20).map(|_| server.join()).collect();
    for client in &mut clients {
        client.frame(CLOSE, b"");
    }
    let sends_on = |client: &mut Raw| {
        while client.next_frame().0 != CLOSE {}
        assert!(client.is_ended());
        // The first tells the system that nobody is there any more.
        client.send(b"x") && client.send(b"x")
    };
    let waited_for = clients.iter_mut().filter_map(|client| sends_on(client).then_some(())).count();
    // It is also waited for whoever seems to have said more.
    assert!((4..20).contains(&waited_for), "{waited_for}");
}

#[test]
fn it_ends_with_status_0_though_peers_stall() {
    let mut server = Server::start(&[]);
    let (mut inside, mut half) = (server.join(), server.connect());
    half.send(b"POST /socket.io/?EIO=4 HTTP/1.1\r\nContent-Le");
    let target = server.join_polling();
    let mut body = server.connect();
    body.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n4").as_bytes());
    let _mute = server.connect();
    inside.echo(1);
    assert_eq!(server.terminate(), Some(0));
    // No DISCONNECT, after which the official client would not come back: a close frame without a status.
    let mut last = None;
    while let Some(frame) = inside.next() {
        assert!(frame.0 != TEXT || frame.1.starts_with(b"42"), "{frame:?}");
        last = Some(frame);
    }
    assert_eq!(last, Some((CLOSE, Vec::new())));
}

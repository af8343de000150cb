//! The host's connections: a server for each input, and its clients on the same thread, over streams in memory.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use sprat::config::Limits;
use sprat::{Args, Config, Door, Io};

/// Every wait for the server ends in this time, or it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands for the id of a session in an input.
const SID: &[u8] = b"<sid>";

/// One client: the first byte says whether it has a session already, and how its bytes are cut. It sends all of them and
/// ends its side; then the server ends the other one, and still serves everybody else.
pub fn host(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let data = data.to_vec();
    let mut io = application();
    io.listen_on(Vec::new());
    let (door, handle) = (io.door(), io.handle());
    io.spawn(async move {
        play(&door, how, &data).await;
        handle.shut_down();
    });
    // Its tables are made anew each time.
    let limits = Limits { max_rooms: 100, ..Limits::default() };
    let config = Config { max_clients: 8, limits, ..Config::default() };
    io.run(config).expect("a server that starts");
}

/// Something behind each kind of handler.
fn application() -> Io {
    let mut io = Io::with_queue(16);
    io.on("name", |socket, name: String, ack| {
        socket.join(&name);
        socket.to(&name).emit("name", &name);
        ack.send(socket, name);
    });
    io.on("message", |socket, args: Args, ack| {
        socket.everybody().emit("message", &args);
        ack.send(socket, args);
    });
    io.on_async("later", |_socket, args: Args, ack| async move {
        // The client may be gone.
        let _ = ack.send(args).await;
    });
    io.on("bye", |socket, close: bool, _ack| socket.disconnect(close));
    io.of_dynamic(|name, _auth| name.starts_with("/d"));
    io
}

async fn play(door: &Door, how: u8, data: &[u8]) {
    let sid = if how & 1 == 1 { open(door).await } else { String::new() };
    let input = data.split_inclusive(|byte| *byte == b'>').fold(Vec::new(), |mut input, piece| {
        match piece.strip_suffix(SID) {
            Some(before) => input.extend([before, sid.as_bytes()].concat()),
            None => input.extend_from_slice(piece),
        }
        input
    });
    let step = [usize::MAX, input.len() / 2 + 1, 61, 7][usize::from(how >> 1 & 3)];
    let mut stream = connect(door).await;
    for piece in input.chunks(step) {
        // It may have been ended at an earlier byte.
        if stream.write_all(piece).is_err() {
            break;
        }
        sprat::turn().await;
    }
    let _ = stream.shutdown(Shutdown::Write);
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{}", answer.escape_ascii());
    if how & 1 == 1 {
        let close = format!("POST {TARGET}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1");
        let answer = exchange(door, &close).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    } else {
        open(door).await;
    }
}

const TARGET: &str = "/socket.io/?EIO=4&transport=polling";

/// Both ends of a stream, of which the server has one.
async fn connect(door: &Door) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_nonblocking(true).expect("a socket");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    door.let_in(TcpStream::from(OwnedFd::from(theirs)), address).await.expect("a server that runs");
    ours
}

/// What comes until the end, which has to come.
#[allow(clippy::disallowed_methods, reason = "whether the server hangs is no part of what is played")]
async fn rest(stream: &mut UnixStream) -> Vec<u8> {
    let (mut rest, begun) = (Vec::new(), std::time::Instant::now());
    loop {
        match stream.read_to_end(&mut rest).map_err(|problem| problem.kind()) {
            Ok(_) | Err(ErrorKind::ConnectionReset) => return rest,
            Err(problem) => assert_eq!(problem, ErrorKind::WouldBlock),
        }
        assert!(begun.elapsed() < PATIENCE, "the server hangs");
        sprat::turn().await;
    }
}

/// Asks something in a connection of its own.
async fn exchange(door: &Door, request: &str) -> String {
    let mut stream = connect(door).await;
    stream.write_all(request.as_bytes()).expect("room for a request");
    let _ = stream.shutdown(Shutdown::Write);
    String::from_utf8_lossy(&rest(&mut stream).await).into_owned()
}

/// Begins a session over polling, and joins the chat; its id.
async fn open(door: &Door) -> String {
    let answer = exchange(door, &format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let (_, sid) = answer.split_once("\"sid\":\"").unwrap_or_else(|| panic!("no session: {answer}"));
    let sid = sid[..20].to_owned();
    let join = format!("POST {TARGET}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40");
    let answer = exchange(door, &join).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    sid
}

//! The host's connections: a server of the chat on loopback, which outlives whatever is sent to it.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::sync::mpsc::channel;

use sprat::{Config, Service};
use sprat_core::chat::{Chat, ChatLimits, ChatMemory};

/// Every wait for the server ends in this time, or it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What stands for the id of a session in an input.
const SID: &[u8] = b"<sid>";

/// One client: the first byte says whether it has a session already, and how its bytes are cut. It sends all of them and
/// ends its side; then the server ends the other one, and still serves everybody else.
pub fn host(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let address = server();
    let sid = if how & 1 == 1 { open(address) } else { String::new() };
    let input = data.split_inclusive(|byte| *byte == b'>').fold(Vec::new(), |mut input, piece| {
        match piece.strip_suffix(SID) {
            Some(before) => input.extend([before, sid.as_bytes()].concat()),
            None => input.extend_from_slice(piece),
        }
        input
    });
    let step = if how & 2 == 2 { input.len() / 2 + 1 } else { usize::MAX };
    let mut stream = connect(address);
    for piece in input.chunks(step.min(input.len()).max(1)) {
        // It may have been ended at an earlier byte.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let answer = rest(&mut stream);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{}", answer.escape_ascii());
    if how & 1 == 1 {
        let close =
            format!("POST {TARGET}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1");
        let answer = exchange(address, &close);
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

const TARGET: &str = "/socket.io/?EIO=4&transport=polling";

/// The address of the server, which is started first.
fn server() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (started, is_started) = channel();
        std::thread::spawn(move || {
            // Lives as long as the process does.
            let memory = Box::leak(Box::new(ChatMemory::<20, 64, 65_536>::new()));
            let mut service = Service::new(Chat::new(memory, ChatLimits::default()));
            service.listen_on(vec![listener]);
            service.on_ready(move |addresses| started.send(addresses[0]).expect("somebody waits"));
            // Sessions that nobody closes are gone soon.
            let (short, connect_timeout) = (Duration::from_millis(100), Duration::from_millis(300));
            let config = Config { ping_interval: short, ping_timeout: short, connect_timeout, ..Config::default() };
            service.run(&config).expect("a server that starts");
        });
        is_started.recv_timeout(PATIENCE).expect("a server that starts")
    })
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a server that lets clients in");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time that is not zero");
    stream
}

/// What comes until the end, which has to come.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the server hangs");
    }
    rest
}

fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).expect("room for a request");
    String::from_utf8_lossy(&rest(&mut stream)).into_owned()
}

/// Begins a session over polling, and joins the chat; its id.
fn open(address: SocketAddr) -> String {
    let answer = exchange(address, &format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    let (_, sid) = answer.split_once("\"sid\":\"").unwrap_or_else(|| panic!("no session: {answer}"));
    let sid = sid[..20].to_owned();
    let join =
        format!("POST {TARGET}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n40");
    let answer = exchange(address, &join);
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    sid
}

//! HTTP that two readers could understand differently, and paths that lead out of a folder (RFC 9110, RFC 9112).

use crate::server::{OPEN, Server};

/// Requests that are refused with this status, and the connection with them.
const REFUSED: &[(&str, &str)] = &[
    // Two lengths, or a length with chunks (RFC 9112, section 6.3).
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n"),
    ("400", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\na"),
    ("400", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"),
    // One Host, without blanks (section 3.2).
    ("400", "GET / HTTP/1.1\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a,\tb\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: a@b\u{e9}\r\n\r\n"),
    // Blanks before the colon, folded lines, torn lines (sections 5.1, 5.2, 2.2).
    ("400", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\nX: a\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"),
    ("400", "GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n"),
    // Request lines.
    ("400", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("400", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
    ("400", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
    ("400", "GET /\r\nHost: x\r\n\r\n"),
    ("400", "GET x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("400", "GET /#x HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("400", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("400", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("400", "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03"),
    // An upgrade that HTTP/1.0 cannot have (RFC 9110, section 7.8).
    ("400", "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
];

#[test]
fn what_is_ambiguous_is_refused_and_ends_the_connection() {
    let server = Server::start(&[]);
    let mut watcher = server.join();
    for (number, (status, bytes)) in REFUSED.iter().enumerate() {
        let mut raw = server.connect();
        // What is behind it must not be taken for a request.
        raw.send(bytes.as_bytes());
        raw.send(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = raw.answer();
        assert_eq!((answer.status(), answer.field("Connection")), (*status, Some("close")), "{bytes:?}");
        assert!(raw.try_answer().is_none(), "{bytes:?}");
        watcher.echo(number);
    }
}

#[test]
fn malformed_chunks_end_connection_and_session() {
    let server = Server::start(&[]);
    for chunks in [
        "x\r\n",
        "\r\n",
        " 2\r\n40\r\n",
        "2 \r\n40\r\n",
        "0x2\r\n",
        "-2\r\n",
        "2\n40\n",
        "2\r\n40x\r\n",
        "2;\x01\r\n",
        "10000000000000000\r\n",
    ] {
        let target = server.join_polling();
        let mut raw = server.connect();
        raw.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").as_bytes());
        assert!(raw.try_answer().is_none(), "{chunks:?}");
        assert_eq!(server.connect().ask("GET", &target, "", "").status(), "400", "{chunks:?}");
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_when_it_is_announced() {
    let server = Server::start(&["--max-payload", "1000"]);
    let target = server.join_polling();
    for fields in ["Content-Length: 1001", "Content-Length: 18446744073709551616\r\nExpect: 100-continue"] {
        let mut raw = server.connect();
        raw.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n").as_bytes());
        assert_eq!(raw.answer().status(), "413", "{fields:?}");
    }
}

#[test]
fn a_chunk_that_is_too_long_is_refused_when_it_is_announced() {
    let server = Server::start(&["--max-payload", "1000"]);
    let target = server.join_polling();
    for chunks in ["3e9\r\n", "ffffffffffffffff\r\n4", "1\r\n4\r\n3e8\r\n"] {
        let mut raw = server.connect();
        raw.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").as_bytes());
        assert_eq!(raw.answer().status(), "413", "{chunks:?}");
    }
    // As long as it may be.
    let packet = format!("42[\"x\",\"{}\"]", "x".repeat(990));
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n1f4\r\n{}\r\n1f4\r\n{}\r\n0\r\n\r\n",
        &packet[..500],
        &packet[500..]
    );
    let mut raw = server.connect();
    raw.send(format!("POST {target} HTTP/1.1\r\nHost: x\r\n{chunked}").as_bytes());
    assert_eq!(raw.answer().body, "ok");
}

#[test]
fn a_websocket_is_not_begun_behind_a_body() {
    let server = Server::start(&[]);
    for body in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        assert_eq!(server.upgrade(body).answer().status(), "400", "{body}");
    }
    assert_eq!(server.upgrade("Content-Length: 0\r\n").answer().status(), "101");
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let dir = std::env::temp_dir().join(format!("sprat-hostile-{}", std::process::id()));
    let inside = dir.join("site");
    std::fs::create_dir_all(inside.join("sub")).expect("a folder");
    for (path, text) in
        [("secret.txt", "secret"), ("site/index.html", "index"), ("site/.env", "secret"), ("site/sub/a.txt", "a")]
    {
        std::fs::write(dir.join(path), text).expect("a file");
    }
    std::os::unix::fs::symlink(dir.join("secret.txt"), inside.join("link.txt")).expect("a link");
    let server = Server::start(&["--static", inside.to_str().expect("a path")]);
    let mut raw = server.connect();
    assert_eq!(raw.ask("GET", "/", "", "").body, "index");
    assert_eq!(raw.ask("GET", "/sub/a.txt", "", "").body, "a");
    for target in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2fsecret.txt",
        "/..%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/sub/..%c0%afsecret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/....//secret.txt",
        "//secret.txt",
        "/.env",
        "/%2eenv",
        "/link.txt",
        "/index.html%00.txt",
        "/index.html/",
        "http://x/../secret.txt",
    ] {
        let answer = raw.ask("GET", target, "", "");
        assert_eq!(answer.status(), "404", "{target}");
        assert!(!answer.body.contains("secret"), "{target}");
    }
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn a_thousand_requests_in_one_write_are_answered_in_turn() {
    let server = Server::start(&[]);
    let mut watcher = server.join();
    let mut raw = server.connect();
    let mut sender = raw.stream.try_clone().expect("a handle");
    let asks = crate::server::request("GET", &format!("{OPEN}&sid=nobody"), "", "").repeat(1_000);
    let sent = std::thread::spawn(move || std::io::Write::write_all(&mut sender, asks.as_bytes()));
    watcher.echo(1);
    assert!((0..1_000).all(|_| raw.answer().status() == "400"));
    sent.join().expect("no panic").expect("all is taken");
}

#[test]
fn pages_of_other_sites_get_no_websocket() {
    let server = Server::start(&["--cors-origin", "https://friend.example"]);
    let status = |origin: &str| server.upgrade(&format!("Origin: {origin}\r\n")).answer().status().to_owned();
    for (origin, expected) in [
        ("http://localhost", "101"),
        ("http://localhost:5173", "101"),
        ("https://friend.example", "101"),
        ("https://evil.example", "403"),
        ("https://localhost.evil.example", "403"),
        ("null", "403"),
        ("http://localhost:80.evil.example", "403"),
        ("http://localhost\r\nOrigin: https://evil.example", "403"),
        ("https://evil.example\r\nOrigin: http://localhost", "403"),
    ] {
        assert_eq!(status(origin), expected, "{origin}");
    }
    server.logged("WebSocket of 127.0.0.1 refused: it is another site's");
    // Over polling, it is the browser that keeps the answer from the page.
    let answer = server.connect().ask("GET", OPEN, "Origin: https://evil.example\r\n", "");
    assert_eq!(answer.field("Access-Control-Allow-Origin"), None);
    assert_eq!(server.upgrade("").answer().status(), "101", "no browser");
}

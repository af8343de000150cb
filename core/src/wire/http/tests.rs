extern crate std;

use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use super::*;
use crate::error::CapacityError;
use crate::wire::chance::Chance;

fn head(text: &str) -> RequestHead<'_> {
    match parse(text.as_bytes()) {
        Ok(HeadStatus::Complete { head, len }) if len == text.len() => head,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn error(text: &[u8]) -> Option<PeerError> {
    parse(text).err()
}

const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost:3000\r\n\
    Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_head_is_taken_apart() {
    let text = "POST /socket.io/?EIO=4&t=a%20b HTTP/1.1\r\nHost:  example.org:80 \r\nX-Empty:\r\n\
                content-length: 12\r\nACCEPT: a\r\nAccept: b, c\r\nExpect: 100-Continue\r\nX-Text: caf\u{e9}\r\n\r\n";
    let head = head(text);
    assert_eq!((head.method(), head.target()), ("POST", "/socket.io/?EIO=4&t=a%20b"));
    assert_eq!((head.path(), head.query()), ("/socket.io/", "EIO=4&t=a%20b"));
    assert!(head.is_http11() && head.keep_alive() && head.expects_continue());
    assert_eq!(head.body(), Body::Length(12));
    assert_eq!(head.header("host"), Some(b"example.org:80".as_slice()));
    assert_eq!(head.header("X-Empty"), Some(b"".as_slice()));
    assert_eq!(head.header("accept"), Some(b"a".as_slice()));
    assert_eq!(head.header("x-text"), Some("caf\u{e9}".as_bytes()));
    assert_eq!(head.header("Hos"), None);
    let names: Vec<_> = head.headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["Host", "X-Empty", "content-length", "ACCEPT", "Accept", "Expect", "X-Text"]);
    assert!(head.websocket().is_none() && head.origin().is_none());
    assert!(size_of::<RequestHead<'_>>() < 400);
}

#[test]
fn fields_that_are_often_asked_for_are_those_that_a_search_finds() {
    let text = "GET / HTTP/1.1\r\nHost: x\r\norigin:\t http://a \r\nORIGIN: http://b\r\nContent-Type: text/plain\r\n\
                User-Agent: one\r\nuser-agent: two\r\nAccept-Encoding: gzip \r\n\r\n";
    let head = head(text);
    assert_eq!(head.origin(), Some(b"http://a".as_slice()));
    assert_eq!((head.origin(), head.content_type()), (head.header("origin"), head.header("content-type")));
    assert_eq!(
        (head.user_agent(), head.accept_encoding()),
        (head.header("user-agent"), head.header("accept-encoding"))
    );
    assert_eq!(head.user_agent(), Some(b"one".as_slice()));
}

#[test]
fn a_head_that_has_not_come_whole_is_partial() {
    for end in 0..UPGRADE.len() {
        assert!(matches!(parse(&UPGRADE.as_bytes()[..end]), Ok(HeadStatus::Partial)), "cut at {end}");
    }
    let with_rest = format!("{UPGRADE}\u{0}rest");
    assert!(matches!(parse(with_rest.as_bytes()), Ok(HeadStatus::Complete { len, .. }) if len == UPGRADE.len()));
    let behind_blank_lines = format!("\r\n\r\n{UPGRADE}");
    assert_eq!(head(&behind_blank_lines).headers().count(), 5);
}

#[test]
fn targets_are_reduced_to_path_and_query() {
    let table = [
        ("GET /", "/", "/", ""),
        ("GET /a?", "/a?", "/a", ""),
        ("GET /a?b?c=%20", "/a?b?c=%20", "/a", "b?c=%20"),
        ("GET //a", "//a", "//a", ""),
        ("GET http://example.org/a?b", "/a?b", "/a", "b"),
        ("GET HTTPS://example.org:1/", "/", "/", ""),
        ("GET http://example.org", "/", "/", ""),
        ("GET http://example.org?b=/", "?b=/", "/", "b=/"),
        ("OPTIONS *", "*", "*", ""),
    ];
    for (line, target, path, query) in table {
        let text = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = head(&text);
        assert_eq!((head.target(), head.path(), head.query()), (target, path, query), "{line}");
    }
    for line in [
        "GET *",
        "GET a",
        "GET ?a",
        "CONNECT a:1",
        "GET http://",
        "GET http:///a",
        "GET ftp://a/",
        "GET /a#b",
        "GET /\u{e9}",
        "GET  /",
        "GET /a b",
        "G<T /",
        "GET /\u{7f}",
        "GET",
    ] {
        let text = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(error(text.as_bytes()), Some(PeerError::HttpHead), "{line}");
    }
}

#[test]
fn what_is_ambiguous_is_refused() {
    for fields in [
        "",
        "Host: a\r\nHost: a",
        "Host: a\r\nhost: b",
        "Host: a b",
        "Host: a\tb",
        "Host: a/b",
        "Host: user@a",
        "Host: a\u{e9}",
        "Host: a:b",
        "Host: a:80:80",
        "Host: a:123456",
        "Host: a%zz",
        "Host: a%4",
        "Host: [::1",
        "Host: ::1",
        "Host: [::1]80",
        "Host: [a]b]",
        "Host: a]",
        "Host: [a/b]",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 1",
        "Host: a\r\nContent-Length: 1\r\nContent-length: 2",
        "Host: a\r\nContent-Length: 1, 1",
        "Host: a\r\nContent-Length: +1",
        "Host: a\r\nContent-Length: -1",
        "Host: a\r\nContent-Length: 0x1",
        "Host: a\r\nContent-Length: 1 1",
        "Host: a\r\nContent-Length:",
        "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Host: a\r\nTransfer-Encoding: gzip, chunked",
        "Host: a\r\nTransfer-Encoding: identity",
        "Host: a\r\nTransfer-Encoding:",
        "Host: a\r\n folded",
        "Host: a\r\nX: a\r\n\tfolded",
        "Host: a\r\nX : a",
        "Host: a\r\n: a",
        "Host: a\r\nX",
        "Host: a\r\nX\u{e9}: a",
        "Host: a\r\nX: a\rb",
        "Host: a\r\nX: a\nY: b",
        "Host: a\nX: a",
        "Host: a\r\nX: a\u{0}b",
        "Host: a\r\nX: a\u{7f}b",
    ] {
        let text = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        assert_eq!(error(text.as_bytes()), Some(PeerError::HttpHead), "{fields:?}");
    }
    for text in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
    ] {
        assert_eq!(error(text.as_bytes()), Some(PeerError::HttpHead), "{text:?}");
    }
}

#[test]
fn what_is_unusual_and_clear_is_not() {
    for fields in [
        "Host:",
        "Host: [::1]:3000",
        "Host: a_b-c.example",
        "Host: xn--bcher-kva.example:65535",
        "Host: a\r\nX: a\tb",
        "Host: a\r\nX:a",
    ] {
        head(&format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n"));
    }
    assert!(!head("GET / HTTP/1.0\r\n\r\n").is_http11());
}

#[test]
fn fields_are_counted() {
    let with = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(head(&with(HEADERS_MAX)).headers().count(), HEADERS_MAX);
    assert_eq!(error(with(HEADERS_MAX + 1).as_bytes()), Some(PeerError::TooLarge));
}

#[test]
fn bodies_have_one_length() {
    let table = [
        ("", Body::None),
        ("Content-Length: 0\r\n", Body::Length(0)),
        ("Content-Length: 007\r\n", Body::Length(7)),
        ("Content-Length: 18446744073709551615\r\n", Body::Length(u64::MAX)),
        ("Content-Length: 99999999999999999999999\r\n", Body::Length(u64::MAX)),
        ("Transfer-Encoding: Chunked\r\n", Body::Chunked),
    ];
    for (field, body) in table {
        assert_eq!(head(&format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n")).body(), body, "{field}");
    }
}

#[test]
fn connections_are_kept_as_both_sides_want() {
    let table = [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, field, expected) in table {
        let text = format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n");
        assert_eq!(head(&text).keep_alive(), expected, "{text:?}");
    }
    assert!(!head("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue());
}

#[test]
fn upgrades_are_recognised_and_checked() {
    assert_eq!(head(UPGRADE).websocket(), Some(Ok("dGhlIHNhbXBsZSBub25jZQ==")));
    for (from, to) in [
        ("Upgrade: websocket", "UPGRADE: foo, WebSocket"),
        ("keep-alive, Upgrade", "upgrade"),
        ("keep-alive, Upgrade", "keep-alive\r\nConnection: Upgrade"),
    ] {
        assert!(matches!(head(&UPGRADE.replace(from, to)).websocket(), Some(Ok(_))), "{to}");
    }
    for (from, to) in
        [("Upgrade: websocket", "Upgrade: h2c"), ("keep-alive, Upgrade", "keep-alive"), ("Upgrade: websocket\r\n", "")]
    {
        assert_eq!(head(&UPGRADE.replace(from, to)).websocket(), None, "{to}");
    }
    for (from, to) in [
        ("GET", "POST"),
        ("Host:", "Content-Length: 1\r\nHost:"),
        ("Host:", "Transfer-Encoding: chunked\r\nHost:"),
        ("Version: 13", "Version: 8"),
        ("Version: 13", "Version: 13, 8"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        ("Sec-WebSocket-Version", "Sec-WebSocket-Key"),
        ("jZQ==", "jZQ="),
        ("jZQ==", "jZQab"),
        ("dGhl", "dGh"),
        ("dGhl", "dGhlZGhl"),
        ("dGhl", "dG-l"),
        ("dGhl", "dG l"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Kez"),
    ] {
        let text = UPGRADE.replacen(from, to, 1);
        assert_ne!(text, UPGRADE);
        assert_eq!(head(&text).websocket(), Some(Err(PeerError::HttpHead)), "{text}");
    }
}

#[test]
fn mutated_heads_are_never_longer_than_their_bytes() {
    let pieces = ["\r\n", "\r", "\n", ":", " ", "Host: a\r\n", "\u{0}", "\u{e9}", "?", "#", "HTTP/1.1", ",", "\t"];
    let mut chance = Chance::seeded(10);
    let (mut complete, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let text = chance.mutated(UPGRADE, &pieces);
        match parse(text.as_bytes()) {
            Ok(HeadStatus::Complete { head, len }) => {
                complete += 1;
                assert!(len <= text.len());
                assert!(head.header("Host").is_some());
                let _ = (head.websocket(), head.keep_alive(), head.query());
            }
            Ok(HeadStatus::Partial) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(complete > 1_000 && refused > 1_000, "{complete} complete, {refused} refused");
}

/// Decodes `coded`, cut into pieces of `size`, and returns the body and what is left of the input.
fn unchunked(coded: &[u8], size: usize) -> Result<(Vec<u8>, Option<Vec<u8>>), PeerError> {
    let mut decoder = ChunkedDecoder::new();
    let mut body = Vec::new();
    for (at, piece) in coded.chunks(size).enumerate() {
        let mut piece = piece;
        loop {
            let (used, chunk) = decoder.decode(piece)?;
            piece = &piece[used..];
            match chunk {
                Chunk::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(data);
                }
                Chunk::End => {
                    assert_eq!(decoder.decode(piece), Ok((0, Chunk::End)));
                    let behind = coded.get((at + 1) * size..).unwrap_or_default();
                    return Ok((body, Some([piece, behind].concat())));
                }
                Chunk::Partial => {
                    assert!(piece.is_empty());
                    break;
                }
            }
        }
    }
    Ok((body, None))
}

#[test]
fn chunks_are_put_together_however_they_arrive() {
    let table: [(&[u8], &[u8]); 5] = [
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"1;x=\"y\"\r\na\r\n0000A;\r\n0123456789\r\n00\r\nTrailer: x\r\nOther: \xe9\r\n\r\n", b"a0123456789"),
        (b"4\r\n\r\n\r\n\r\n1\r\n0\r\n0;x\r\n\r\n", b"\r\n\r\n0"),
        (b"0000000000000001\r\na\r\n0\r\n\r\n", b"a"),
    ];
    for (coded, body) in table {
        for size in 1..=coded.len() {
            assert_eq!(unchunked(coded, size), Ok((body.to_vec(), Some(vec![]))), "{coded:?} in {size}s");
            let with_next = [coded, b"GET /"].concat();
            assert_eq!(unchunked(&with_next, size), Ok((body.to_vec(), Some(b"GET /".to_vec()))));
        }
        for end in 0..coded.len() {
            assert!(matches!(unchunked(&coded[..end], 7), Ok((_, None))), "{coded:?} cut at {end}");
        }
    }
}

#[test]
fn what_is_announced_of_a_chunk_is_known_before_it_comes() {
    let mut decoder = ChunkedDecoder::new();
    for (coded, announced) in [("f", 0), ("f\r\n", 0xff), ("abc", 0xfc), (&"x".repeat(0xfc), 0), ("\r\n", 0), ("8", 0)]
    {
        let used = decoder.decode(coded.as_bytes()).map(|(used, _)| used);
        assert_eq!((used, decoder.announced()), (Ok(coded.len()), announced), "{coded}");
    }
    assert_eq!(decoder.decode(b"000000000000000\r\n"), Ok((17, Chunk::Partial)));
    assert_eq!(decoder.announced(), 0x8000_0000_0000_0000);
}

#[test]
fn what_is_not_the_chunked_coding_is_refused() {
    for coded in [
        "\r\n",
        ";",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\n",
        "1 \r\n",
        "1\n",
        "1\ra",
        "1\r\nab",
        "1\r\na\n",
        "1\r\na\r\r",
        "1\r\na\r\n\r\n",
        "1;\n",
        "1;\u{0}",
        "1;\u{7f}",
        "0\r\n\n",
        "0\r\n\r\r",
        "0\r\nA: b\n",
        "0\r\nA: b\r\r",
        "0\r\nGET / HTTP/1.1\r\n",
        "0\r\nA\r\n",
        "0\r\nA : b\r\n",
        "0\r\n: b\r\n",
        "0\r\nA: b\r\n folded\r\n",
    ] {
        for size in [1, 100] {
            assert_eq!(unchunked(coded.as_bytes(), size), Err(PeerError::HttpHead), "{coded:?}");
        }
    }
    let max = usize::from(EXTENSION_LEN_MAX);
    assert!(unchunked(format!("1;{}\r\na", "x".repeat(max)).as_bytes(), 100).is_ok());
    let max_trailer = usize::from(TRAILER_LEN_MAX);
    for coded in [
        String::from("00000000000000001\r\n"),
        String::from("fffffffffffffffff\r\n"),
        format!("1;{}", "x".repeat(max + 1)),
        format!("0\r\n{}", "x".repeat(max_trailer + 1)),
        format!("0\r\n{}", "x:y\r\n".repeat(max_trailer + 1)),
    ] {
        assert_eq!(unchunked(coded.as_bytes(), 100), Err(PeerError::TooLarge), "{coded:?}");
    }
    assert_eq!(unchunked(b"ffffffffffffffff\r\nabc", 100), Ok((b"abc".to_vec(), None)));
}

#[test]
fn queries_are_read_as_url_search_params_reads_them() {
    // Queries and their pairs, as `new URLSearchParams(query)` gives them.
    let table: [(&str, &[(&str, &str)]); 13] = [
        ("", &[]),
        ("&&", &[]),
        ("EIO=4&transport=polling", &[("EIO", "4"), ("transport", "polling")]),
        ("a", &[("a", "")]),
        ("a=", &[("a", "")]),
        ("=b", &[("", "b")]),
        ("=", &[("", "")]),
        ("a=b=c&&d", &[("a", "b=c"), ("d", "")]),
        ("a+b=c+%2B+%26", &[("a b", "c + &")]),
        ("%45IO=%34&x=%&y=%4&z=%zz%", &[("EIO", "4"), ("x", "%"), ("y", "%4"), ("z", "%zz%")]),
        ("a=%E2%82%AC&b=\u{20ac}&c=%f0%9f%98%80", &[("a", "\u{20ac}"), ("b", "\u{20ac}"), ("c", "\u{1f600}")]),
        ("a=%E2%82&b=%E2%82x&c=%C0%80", &[("a", "\u{fffd}"), ("b", "\u{fffd}x"), ("c", "\u{fffd}\u{fffd}")]),
        ("a=%ED%A0%80&b=%00", &[("a", "\u{fffd}\u{fffd}\u{fffd}"), ("b", "\0")]),
    ];
    for (query, expected) in table {
        let pairs: Vec<_> = Query::new(query).pairs().collect();
        assert_eq!(pairs.len(), expected.len(), "{query}");
        for ((key, value), (plain_key, plain_value)) in pairs.iter().zip(expected) {
            assert!(key.is(plain_key), "{query}");
            assert!(value.is(plain_value) && !value.is("other"), "{query}");
            assert_eq!(value.is_empty(), plain_value.is_empty());
            assert_eq!(value.decode(&mut vec![0; plain_value.len()]), Ok(*plain_value));
            if let Some(short) = plain_value.len().checked_sub(1) {
                assert_eq!(value.decode(&mut vec![0; short]), Err(CapacityError::Buffer));
            }
        }
    }
    let query = Query::new("sid=a&EIO=3&EIO=4&sid=");
    assert!(query.value("EIO").is_some_and(|value| value.is("4")));
    assert!(query.value("sid").is_some_and(|value| value.is_empty()));
    assert!(query.value("transport").is_none());
}

#[test]
fn bytes_that_are_not_text_become_what_the_standard_library_makes_of_them() {
    let mut chance = Chance::seeded(11);
    for _ in 0..5_000 {
        let edges = [b'a', 0x80, 0xbf, 0xa0, 0x9f, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xf5, 0xff];
        let bytes: Vec<u8> = (0..chance.below(8)).map(|_| edges[chance.below(edges.len())]).collect();
        let raw: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        let query = format!("k={raw}");
        let value = Query::new(&query).value("k").unwrap();
        let expected = String::from_utf8_lossy(&bytes);
        assert!(value.is(&expected), "{bytes:x?}");
        assert_eq!(value.decode(&mut vec![0; raw.len()]), Ok(&*expected));
    }
}

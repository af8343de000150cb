//! Fuzz targets: functions that take any bytes and panic if something is wrong.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`wire`] | the formats, one target each: what is read is written again, however it is cut |
//! | [`server`] | sequences of operations on a server, compared with a model |
//! | [`host`] | a whole connection of the host, in memory |
//! | [`mutate`] | new inputs from old ones, from a seed |
//!
//! The program of this crate plays seeds, corpus and new inputs on any toolchain; `libfuzzer/` is the same targets for
//! libFuzzer, which sees what an input reaches.

pub mod host;
pub mod mutate;
pub mod server;
pub mod wire;

/// A function to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of the folders of its seeds and its corpus.
    pub name: &'static str,
    /// Panics if something is wrong with what is made of these bytes.
    pub run: fn(&[u8]),
    /// Pieces that inputs for it are made of.
    pub words: &'static [&'static [u8]],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "base64", run: wire::base64, words: &[b"=", b"==", b"AQID", b"+/", b"A"] },
    Target {
        name: "chunked",
        run: wire::chunked,
        words: &[b"\r\n", b"0\r\n\r\n", b"5;a=b\r\nhello\r\n", b"ffff", b"0"],
    },
    Target { name: "engine", run: wire::engine, words: &[b"0", b"2probe", b"3probe", b"4", b"5", b"6", b"b"] },
    Target { name: "ethernet", run: wire::ethernet, words: ETHERNET },
    Target { name: "frames", run: wire::frames, words: FRAMES },
    Target { name: "host", run: host::host, words: HOST },
    Target { name: "http", run: wire::http, words: HTTP },
    Target { name: "json", run: wire::json, words: JSON },
    Target { name: "msgpack", run: wire::msgpack, words: MSGPACK },
    Target { name: "payload", run: wire::payload, words: &[b"\x1e", b"4", b"bAQID", b"2"] },
    Target { name: "query", run: wire::query, words: &[b"&", b"=", b"%", b"%e2%82%ac", b"+", b"EIO", b"sid"] },
    Target { name: "server", run: server::plain, words: &[] },
    Target { name: "server-recovery", run: server::recovering, words: &[] },
    Target { name: "server-small", run: server::small, words: &[] },
    Target {
        name: "sntp",
        run: wire::sntp,
        words: &[b"a nonce!", b"\x24\x02\0\xec", b"\xe4", b"\0\0\0\0", b"\xff\xff\xff\xff"],
    },
    Target { name: "socket", run: wire::socket, words: SOCKET },
    Target { name: "utf8", run: wire::utf8, words: &[b"\xe2\x82\xac", b"\xf4\x8f", b"\xed\xa0", b"\xf0\x90", b"\x80"] },
    Target { name: "websocket", run: wire::websocket, words: FRAMES },
];

const ETHERNET: &[&[u8]] =
    &[b"\x08\0\x45\0\0\x28\0\0\x40\0\x40\x06", b"\x08\0\x4f", b"\x86\xdd\x60", b"\x50\x02", b"\x50\x12"];
const FRAMES: &[&[u8]] = &[
    b"\x81\x85\0\0\0\0hello",
    b"\x01\x83\0\0\0\0hel",
    b"\x80\x82\0\0\0\0lo",
    b"\x89\x80\0\0\0\0",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x82\xfe\x00\x7e\0\0\0\0",
    b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0",
    b"\xe2\x82\xac",
];
const HOST: &[&[u8]] = &[
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling&sid=<sid> HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling&sid=<sid> HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n40\r\n0\r\n\r\n",
    b"Accept-Encoding: gzip\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"If-None-Match: *\r\n",
    b"\x81\x82\0\0\0\x0040",
    b"\x81\x86\0\0\0\x002probe",
    b"\x81\x81\0\0\0\x005",
    b"\x88\x80\0\0\0\0",
    b"\x89\x80\0\0\0\0",
    b"\x01\x81\0\0\0\x004",
    b"\x80\x81\0\0\0\x000",
    b"42[\"message\",{\"text\":\"x\"}]",
    b"422[\"later\"]",
    b"42[\"bye\",true]",
    b"40/d,",
];
const HTTP: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"Host: localhost\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: Upgrade\r\n",
    b"Upgrade: websocket\r\n",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"/socket.io/?EIO=4&transport=polling",
    b"&transport=websocket",
    b"%2f",
];
const JSON: &[&[u8]] = &[
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"a\":",
    b",",
    b"null",
    b"true",
    b"-1.5e+10",
    b"\"\\ud83d\\ude00\"",
    b"\"\\u0000\"",
    b"\\",
    b"\"",
    b"\xe2\x82\xac",
];
const MSGPACK: &[&[u8]] = &[
    b"\x83\xa4type\x02\xa4data\x92\xa1a\x01\xa3nsp\xa1/",
    b"\xa4type",
    b"\xa4data",
    b"\xa3nsp",
    b"\xa2id",
    b"\xc4\x03\x01\x02\x03",
    b"\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18",
    b"\xd9\x20",
    b"\xdc\x00\x02",
    b"\xde\x00\x01",
    b"\xc0",
    b"\x92",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd6\xff\0\0\0\0",
];
const SOCKET: &[&[u8]] = &[
    b"0",
    b"2[\"a\",1]",
    b"51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
    b"/custom,",
    b"/a?b=c,",
    b"13[]",
    b"1-",
    b"\xe2\x80\x8b",
    b"{\"token\":\"x\"}",
    b"\"connect\"",
];

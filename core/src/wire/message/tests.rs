extern crate std;

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::wire::chance::Chance;

const MESSAGE_BYTES_MAX: usize = 300;

fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x11, 0x7f, 0x80, 0xfe];
    let mut bytes = vec![u8::from(fin) << 7 | opcode];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    bytes.extend(key);
    let start = bytes.len();
    bytes.extend(payload);
    unmask(&mut bytes[start..], key, 0);
    bytes
}

/// What a reader makes of bytes that come in pieces of these lengths, as text; an error ends it.
fn read(bytes: &[u8], mut piece_len: impl FnMut() -> usize) -> Vec<String> {
    let mut buffer = [0; MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES];
    let mut reader = MessageReader::new(&mut buffer, 0, MESSAGE_BYTES_MAX);
    let (mut read, mut rest) = (Vec::new(), bytes);
    loop {
        loop {
            match reader.next() {
                Ok(Some(incoming)) => read.push(format!("{incoming:?}")),
                Ok(None) => break,
                Err(error) => {
                    read.push(format!("{error:?}"));
                    return read;
                }
            }
        }
        if rest.is_empty() {
            return read;
        }
        let spare = reader.spare();
        assert!(!spare.is_empty(), "the reader waits for bytes and has no room for them");
        let len = piece_len().clamp(1, rest.len().min(spare.len()));
        let (piece, behind) = rest.split_at(len);
        spare[..len].copy_from_slice(piece);
        reader.advance(len);
        rest = behind;
    }
}

#[test]
fn messages_are_the_same_however_the_bytes_are_cut() {
    let long = "ä€😀".repeat(33);
    let parts = [
        frame(true, 1, b"hello"),
        frame(false, 1, &long.as_bytes()[..100]),
        frame(true, 9, &[7; 125]),
        frame(false, 0, &long.as_bytes()[100..101]),
        frame(true, 10, b""),
        frame(true, 0, &long.as_bytes()[101..]),
        frame(true, 2, &[0xff; MESSAGE_BYTES_MAX]),
        frame(true, 1, b""),
        frame(false, 2, b""),
        frame(true, 0, b""),
        frame(true, 8, b"\x03\xe8bye"),
    ];
    let bytes = parts.concat();
    let expected = vec![
        format!("{:?}", Incoming::Text("hello")),
        format!("{:?}", Incoming::Ping(&[7; 125])),
        format!("{:?}", Incoming::Pong),
        format!("{:?}", Incoming::Text(&long)),
        format!("{:?}", Incoming::Binary(&[0xff; MESSAGE_BYTES_MAX])),
        format!("{:?}", Incoming::Text("")),
        format!("{:?}", Incoming::Binary(b"")),
        format!("{:?}", Incoming::Close(b"\x03\xe8bye")),
    ];
    for len in (1..40).chain([1_000_000]) {
        assert_eq!(read(&bytes, || len), expected, "in pieces of {len}");
    }
    let mut chance = Chance::seeded(5);
    for round in 0..200 {
        assert_eq!(read(&bytes, || chance.below(90)), expected, "round {round}");
    }
}

#[test]
fn what_breaks_the_protocol_is_refused() {
    let mut unmasked = frame(true, 1, b"a");
    unmasked[1] &= 0x7f;
    for (bytes, error) in [
        (frame(true, 0, b"a"), PeerError::WebSocketFrame),
        ([frame(false, 1, b"a"), frame(true, 1, b"b")].concat(), PeerError::WebSocketFrame),
        (unmasked, PeerError::WebSocketFrame),
        (frame(true, 8, b"\x03"), PeerError::WebSocketFrame),
        (frame(true, 8, b"\x03\xed"), PeerError::WebSocketFrame),
        (frame(true, 8, b"\x03\xe8\xff"), PeerError::Utf8),
        (frame(true, 1, b"\xc3"), PeerError::Utf8),
        (frame(false, 1, b"\xff"), PeerError::Utf8),
        (frame(true, 1, &[b'a'; MESSAGE_BYTES_MAX + 1]), PeerError::TooLarge),
        ([frame(false, 2, &[0; MESSAGE_BYTES_MAX]), frame(true, 0, b"x")].concat(), PeerError::TooLarge),
    ] {
        assert_eq!(read(&bytes, || 7), [format!("{error:?}")], "{bytes:02x?}");
    }
    let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(read(&huge, || 1), ["TooLarge"]);
}

#[test]
fn garbage_never_breaks_the_reader() {
    let mut chance = Chance::seeded(11);
    for _ in 0..2_000 {
        let mut bytes = vec![0; chance.below(400)];
        chance.fill(&mut bytes);
        let mut whole =
            frame(chance.below(2) == 0, chance.pick(&["0", "1", "2", "8", "9"]).as_bytes()[0] - b'0', b"some text");
        whole.extend(bytes);
        let once = read(&whole, || 1_000_000);
        assert_eq!(read(&whole, || 3), once, "{whole:02x?}");
    }
}
